"""Services as clients see them: made, found, updated, protected, deleted; the instances only say that
they run the tasks."""

import pytest
from botocore.exceptions import ClientError

from until import QUICKLY, until


def refused(caught):
    return caught.value.response["Error"]["Code"], caught.value.response["Error"]["Message"]


@pytest.fixture
def service(ecs, cluster, definition):
    """Makes services of the test's cluster; takes those that are left away."""
    made = []

    def make(name, **settings):
        wanted = {"desiredCount": 2, "taskDefinition": definition()} | settings
        if settings.get("schedulingStrategy") == "DAEMON":
            del wanted["desiredCount"]
        found = ecs.create_service(cluster=cluster, serviceName=name, **wanted)["service"]
        made.append(name)
        return found

    yield make
    for name in made:
        if ecs.describe_services(cluster=cluster, services=[name])["services"][0]["status"] == "ACTIVE":
            ecs.delete_service(cluster=cluster, service=name, force=True)


@pytest.fixture
def look(ecs, cluster):
    def describe(name, **more):
        found = ecs.describe_services(cluster=cluster, services=[name], **more)
        assert found["failures"] == []
        return found["services"][0]
    return describe


@pytest.fixture
def stable(ecs, cluster):
    def wait(*names):
        ecs.get_waiter("services_stable").wait(
            cluster=cluster, services=list(names), WaiterConfig=QUICKLY)
    return wait


def test_a_service_becomes_stable_is_updated_and_deleted(ecs, cluster, instances, definition,
                                                         service, look, stable):
    instances(zones="ab")
    made = service("web", tags=[{"key": "team", "value": "blue"}])
    assert made["status"] == "ACTIVE"
    assert made["launchType"] == "EC2"
    assert made["schedulingStrategy"] == "REPLICA"
    assert made["deploymentController"] == {"type": "ECS"}
    assert made["propagateTags"] == "NONE"
    assert made["availabilityZoneRebalancing"] == "ENABLED"
    bounds = made["deploymentConfiguration"]
    assert (bounds["minimumHealthyPercent"], bounds["maximumPercent"]) == (100, 200)
    assert bounds["deploymentCircuitBreaker"] == {"enable": False, "rollback": False}
    assert (made["loadBalancers"], made["serviceRegistries"], made["events"]) == ([], [], [])
    stable("web")
    now = look("web")
    assert (now["runningCount"], now["pendingCount"], now["desiredCount"]) == (2, 0, 2)
    until(lambda: look("web")["deployments"][0]["rolloutState"] == "COMPLETED", what="completed")
    until(lambda: any(it["message"] == "(service web) has reached a steady state."
                      for it in look("web")["events"]), what="it says that it is steady")
    assert all(len(it["id"]) == 36 for it in look("web")["events"])

    next_one = definition()
    updated = ecs.update_service(cluster=cluster, service=made["serviceArn"],
                                 taskDefinition=next_one)["service"]
    assert [it["status"] for it in updated["deployments"]] == ["PRIMARY", "ACTIVE"]
    stable("web")
    [primary] = look("web")["deployments"]
    assert primary["taskDefinition"].endswith(next_one)
    tasks = ecs.list_tasks(cluster=cluster, serviceName="web")["taskArns"]
    shown = ecs.describe_tasks(cluster=cluster, tasks=tasks)["tasks"]
    assert {(it["group"], it["startedBy"]) for it in shown} == {("service:web", primary["id"])}

    with pytest.raises(ClientError) as caught:
        ecs.delete_service(cluster=cluster, service="web")
    assert refused(caught) == ("InvalidParameterException",
                               "The service cannot be stopped while it is scaled above 0.")
    with pytest.raises(ClientError) as caught:
        ecs.delete_cluster(cluster=cluster)
    assert refused(caught)[0].startswith("ClusterContains")
    assert ecs.describe_clusters(clusters=[cluster])["clusters"][0]["activeServicesCount"] == 1
    ecs.update_service(cluster=cluster, service="web", desiredCount=0)
    assert ecs.delete_service(cluster=cluster, service="web")["service"]["status"] == "DRAINING"
    ecs.get_waiter("services_inactive").wait(
        cluster=cluster, services=["web"], WaiterConfig=QUICKLY)
    assert ecs.list_services(cluster=cluster)["serviceArns"] == []
    with pytest.raises(ClientError) as caught:
        ecs.update_service(cluster=cluster, service="web", desiredCount=1)
    assert refused(caught) == ("ServiceNotActiveException", "Service was not ACTIVE.")


def test_a_repeat_is_the_same_service_and_another_content_is_refused(ecs, cluster, definition,
                                                                     service):
    wanted = {"taskDefinition": definition(), "clientToken": "once"}
    made = service("web", **wanted)
    again = service("web", **wanted)
    assert again["createdAt"] == made["createdAt"]
    assert again["deployments"][0]["id"] == made["deployments"][0]["id"]
    with pytest.raises(ClientError) as caught:
        service("web", **wanted | {"desiredCount": 3})
    assert refused(caught) == ("InvalidParameterException",
                               "Creation of service was not idempotent.")


def test_services_are_found_by_either_form_of_arn_and_listed_in_pages(ecs, cluster, service):
    for number in range(12):
        service(f"web-{number:02}", desiredCount=0)
    service("agent", schedulingStrategy="DAEMON")
    arn = ecs.describe_services(cluster=cluster, services=["web-00"])["services"][0]["serviceArn"]
    assert arn.endswith(f":service/{cluster}/web-00")
    short = arn.replace(f"/{cluster}/", "/")
    found = ecs.describe_services(cluster=cluster, services=[arn, short, "nobody"])
    assert [it["serviceArn"] for it in found["services"]] == [arn, arn]
    assert [it["reason"] for it in found["failures"]] == ["MISSING"]
    pages = ecs.get_paginator("list_services")
    names = [arn.rsplit("/", 1)[1]
             for page in pages.paginate(cluster=cluster, PaginationConfig={"PageSize": 5})
             for arn in page["serviceArns"]]
    assert names == ["agent"] + [f"web-{number:02}" for number in range(12)]
    assert len(ecs.list_services(cluster=cluster)["serviceArns"]) == 10, "ten unless told otherwise"
    daemons = ecs.list_services(cluster=cluster, schedulingStrategy="DAEMON")["serviceArns"]
    assert [it.rsplit("/", 1)[1] for it in daemons] == ["agent"]
    assert ecs.list_services(cluster=cluster, launchType="FARGATE")["serviceArns"] == []


def test_a_deployment_and_its_revisions_can_be_looked_up(ecs, cluster, instances, service, stable,
                                                         look):
    instances()
    service("web", desiredCount=1, deploymentConfiguration={
        "deploymentCircuitBreaker": {"enable": True, "rollback": True}})
    # A service is stable as soon as its tasks run; its deployment is done a little later.
    until(lambda: look("web")["deployments"][0]["rolloutState"] == "COMPLETED", what="the first")
    ecs.update_service(cluster=cluster, service="web", forceNewDeployment=True)
    stable("web")

    def listed():
        found = ecs.list_service_deployments(cluster=cluster, service="web")["serviceDeployments"]
        return found if {it["status"] for it in found} == {"SUCCESSFUL"} else None
    newest, oldest = until(listed, what="both are done")
    assert newest["createdAt"] >= oldest["createdAt"]
    assert newest["serviceDeploymentArn"] == look("web")["currentServiceDeployment"]
    [shown] = ecs.describe_service_deployments(
        serviceDeploymentArns=[newest["serviceDeploymentArn"]])["serviceDeployments"]
    assert [it["arn"] for it in shown["sourceServiceRevisions"]] == [
        oldest["targetServiceRevisionArn"]]
    assert shown["deploymentCircuitBreaker"]["status"] == "MONITORING_COMPLETE"
    assert shown["deploymentCircuitBreaker"]["threshold"] == 3
    revisions = [it["targetServiceRevisionArn"] for it in (newest, oldest)]
    found = ecs.describe_service_revisions(serviceRevisionArns=revisions)["serviceRevisions"]
    assert [it["serviceRevisionArn"] for it in found] == revisions
    assert found[0]["taskDefinition"] == look("web")["taskDefinition"]
    with pytest.raises(ClientError) as caught:
        ecs.stop_service_deployment(serviceDeploymentArn=newest["serviceDeploymentArn"])
    assert refused(caught)[0] == "ConflictException"


def test_a_service_can_be_tagged_and_its_tasks_take_its_tags(ecs, cluster, instances, service,
                                                             stable, look):
    instances()
    made = service("web", desiredCount=1, enableECSManagedTags=True, propagateTags="SERVICE",
                   tags=[{"key": "team", "value": "blue"}])
    ecs.tag_resource(resourceArn=made["serviceArn"], tags=[{"key": "stage", "value": "test"}])
    expected = [{"key": "team", "value": "blue"}, {"key": "stage", "value": "test"}]
    assert ecs.list_tags_for_resource(resourceArn=made["serviceArn"])["tags"] == expected
    assert look("web", include=["TAGS"])["tags"] == expected
    assert look("web")["tags"] == []
    stable("web")
    [task] = ecs.list_tasks(cluster=cluster, serviceName="web")["taskArns"]
    [shown] = ecs.describe_tasks(cluster=cluster, tasks=[task], include=["TAGS"])["tasks"]
    tags = {it["key"]: it["value"] for it in shown["tags"]}
    assert tags["team"] == "blue"
    assert tags["aws:ecs:serviceName"] == "web"
    assert tags["aws:ecs:clusterName"] == cluster


def test_a_protected_task_outlives_the_others(ecs, cluster, instances, service, stable):
    instances()
    service("web", desiredCount=3)
    stable("web")
    tasks = ecs.list_tasks(cluster=cluster, serviceName="web")["taskArns"]
    kept = tasks[1]
    answer = ecs.update_task_protection(cluster=cluster, tasks=[kept], protectionEnabled=True,
                                        expiresInMinutes=60)
    assert answer["failures"] == []
    [shown] = answer["protectedTasks"]
    assert shown["taskArn"] == kept and shown["protectionEnabled"] and shown["expirationDate"]
    ecs.update_service(cluster=cluster, service="web", desiredCount=1)
    stable("web")
    assert ecs.list_tasks(cluster=cluster, serviceName="web")["taskArns"] == [kept]
    asked = ecs.get_task_protection(cluster=cluster, tasks=[kept])["protectedTasks"]
    assert [it["protectionEnabled"] for it in asked] == [True]


def test_what_cannot_be_done_yet_is_refused_by_name(ecs, cluster, definition, service):
    for settings in ({"deploymentController": {"type": "CODE_DEPLOY"}},
                     {"deploymentController": {"type": "EXTERNAL"}},
                     {"launchType": "FARGATE"},
                     {"deploymentConfiguration": {"strategy": "BLUE_GREEN"}},
                     {"capacityProviderStrategy": [{"capacityProvider": "some"}]}):
        with pytest.raises(ClientError) as caught:
            service("web", **settings)
        assert refused(caught)[0] == "UnsupportedFeatureException", settings
    for ask in (lambda: ecs.create_task_set(cluster=cluster, service="web",
                                            taskDefinition=definition()),
                lambda: ecs.describe_task_sets(cluster=cluster, service="web")):
        with pytest.raises(ClientError) as caught:
            ask()
        assert refused(caught)[0] == "UnsupportedFeatureException"
