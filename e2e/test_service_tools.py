"""Services as the tools of others drive them: the AWS CLI with its waiters, and fabfuel's ecs-deploy."""

import json
import os
import subprocess

import pytest

import image
from until import until
from web import serving


pytestmark = pytest.mark.beside


@pytest.fixture(scope="module")
def served():
    yield from serving()


@pytest.fixture
def service(served, name):
    """A steady service of two tasks, without a load balancer."""
    ecs = served.client()
    definition = ecs.register_task_definition(family=name, containerDefinitions=[
        {"name": "web", "image": "landfall/demo", "command": ["web"], "memory": 32}])
    ecs.create_service(serviceName=name, desiredCount=2,
                       taskDefinition=definition["taskDefinition"]["taskDefinitionArn"])
    ecs.get_waiter("services_stable").wait(
        services=[name], WaiterConfig={"Delay": 1, "MaxAttempts": 120})
    until(lambda: states(served, name) == ["COMPLETED"], 60, what="its first deployment")
    yield name
    ecs.delete_service(service=name, force=True)
    ecs.get_waiter("services_inactive").wait(
        services=[name], WaiterConfig={"Delay": 1, "MaxAttempts": 120})


def called(served, *words, check=True):
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=600, env={**os.environ, **served.environment})
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def shown(served, service):
    return served.client().describe_services(services=[service])["services"][0]


def states(served, service):
    return [it["rolloutState"] for it in shown(served, service)["deployments"]]


@pytest.mark.skipif(not image.busybox(), reason="busybox is not there")
def test_a_tag_that_moves_reaches_a_service_with_its_next_deployment_only(served, name, tmp_path):
    ecs, tag = served.client(), f"e2e/{name}:1"

    def load(word):
        served.landfall("image", "load", str(image.archive(tmp_path / f"{word}.tar", tag, word)))

    def digests(count):
        """Of its running tasks, once there are so many of one deployment that is complete."""
        def there():
            arns = ecs.list_tasks(serviceName=name)["taskArns"]
            tasks = ecs.describe_tasks(tasks=arns)["tasks"] if arns else []
            done = states(served, name) == ["COMPLETED"] and len(tasks) == count
            return tasks if done and all(it["lastStatus"] == "RUNNING" for it in tasks) else None
        tasks = until(there, 60, what=f"{count} tasks of one deployment")
        return {it["containers"][0]["imageDigest"] for it in tasks}

    def pinned():
        arn = ecs.describe_services(services=[name])["services"][0]["deployments"][0]
        found = ecs.list_service_deployments(service=name)["serviceDeployments"][0]
        assert arn["rolloutState"] == "COMPLETED"
        [row] = ecs.describe_service_revisions(
            serviceRevisionArns=[found["targetServiceRevisionArn"]])["serviceRevisions"]
        [container] = row["containerImages"]
        assert (container["containerName"], container["image"]) == ("app", tag)
        return container["imageDigest"]

    load("first")
    ecs.register_task_definition(family=name, containerDefinitions=[
        {"name": "app", "image": tag, "command": ["sleep", "100000"], "memory": 16,
         "stopTimeout": 2}])
    ecs.create_service(serviceName=name, taskDefinition=name, desiredCount=1)
    try:
        [old] = digests(1)
        assert pinned() == old
        load("second")
        ecs.update_service(service=name, desiredCount=2)
        assert digests(2) == {old}, "the image of its deployment, by its digest"
        ecs.update_service(service=name, forceNewDeployment=True)
        [new] = digests(2)
        assert new != old and pinned() == new
    finally:
        ecs.delete_service(service=name, force=True)


def test_the_command_line_creates_updates_waits_and_deletes(served, name):
    def aws(*words):
        out = called(served, "aws", "ecs", *words).stdout
        return json.loads(out) if out else None

    definition = ["register-task-definition", "--family", name, "--container-definitions"]
    first = aws(*definition, '[{"name":"web","image":"landfall/demo","command":["web"],"memory":32}]')
    aws("create-service", "--service-name", name, "--desired-count", "1",
        "--task-definition", f"{name}:1")
    aws("wait", "services-stable", "--services", name)
    assert shown(served, name)["runningCount"] == 1

    aws(*definition, '[{"name":"web","image":"landfall/demo","command":["web"],"memory":48}]')
    aws("update-service", "--service", name, "--task-definition", name, "--desired-count", "2")
    aws("wait", "services-stable", "--services", name)
    service = shown(served, name)
    assert service["runningCount"] == 2 and service["taskDefinition"].endswith(f"{name}:2")
    assert first["taskDefinition"]["revision"] == 1
    tasks = aws("list-tasks", "--service-name", name)["taskArns"]
    assert len(tasks) == 2

    aws("update-service", "--service", name, "--desired-count", "0")
    aws("delete-service", "--service", name)
    aws("wait", "services-inactive", "--services", name)


def test_ecs_deploy_deploys_and_scales(served, service):
    def ecs(*words):
        return called(served, "ecs", *words, "--region", "us-east-1", "--timeout", "300").stdout

    before = shown(served, service)["taskDefinition"]
    told = ecs("deploy", "default", service, "--env", "web", "WORD", "second")
    assert "Deployment successful" in told
    after = shown(served, service)
    assert after["taskDefinition"] != before
    until(lambda: states(served, service) == ["COMPLETED"], 60, what="the second deployment")
    # The task definition of before is deregistered by the tool; the service does not mind.
    assert "Scaling successful" in ecs("scale", "default", service, "3")
    until(lambda: shown(served, service)["runningCount"] == 3, 60, what="three tasks")


def test_ecs_deploy_gives_up_and_rolls_back(served, service):
    before = shown(served, service)["taskDefinition"]
    done = called(served, "ecs", "deploy", "default", service, "--image", "web", "no/such:image",
                  "--region", "us-east-1", "--timeout", "10", "--rollback", check=False)
    assert done.returncode != 0, done.stdout
    assert "Rollback successful" in done.stdout, done.stdout + done.stderr
    until(lambda: states(served, service) == ["COMPLETED"], 60, what="it is as before")
    after = shown(served, service)
    assert after["taskDefinition"] == before and after["runningCount"] == 2


def test_a_deployment_that_cannot_start_is_rolled_back(served, service):
    ecs = served.client()
    ecs.update_service(service=service, deploymentConfiguration={
        "deploymentCircuitBreaker": {"enable": True, "rollback": True}})
    before = shown(served, service)["taskDefinition"]
    bad = ecs.register_task_definition(family=service, containerDefinitions=[
        {"name": "web", "image": "no/such:image", "memory": 32}])["taskDefinition"]["taskDefinitionArn"]
    ecs.update_service(service=service, taskDefinition=bad)
    until(lambda: shown(served, service)["taskDefinition"] == before, 60, what="it is rolled back")
    until(lambda: states(served, service) == ["COMPLETED"], 60, what="it is as before")
    told = "\n".join(it["message"] for it in shown(served, service)["events"])
    assert "deployment failed: tasks failed to start." in told and "rolling back to deployment" in told
    deployments = ecs.list_service_deployments(service=service)["serviceDeployments"]
    assert deployments[0]["status"] == "ROLLBACK_SUCCESSFUL"
