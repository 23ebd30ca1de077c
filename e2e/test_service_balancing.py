"""Services behind load balancers: replaced, scaled, killed and drained while clients never pause."""

import os
import signal
import threading
from pathlib import Path

import pytest

import image
from until import QUICKLY, until
from web import PORT, Load, Web, serving


@pytest.fixture(scope="module")
def balanced(tmp_path_factory):
    """A region of its own: these tests kill parts of it."""
    for it in serving():
        if image.busybox():
            it.landfall("image", "load", str(image.archive(
                tmp_path_factory.mktemp("image") / "busybox.tar")))
        yield it


class Service:
    """A service of web servers behind an application load balancer, all healthy."""

    def __init__(self, region, name, count=3, network="awsvpc", delay=30, **container):
        self.network, self.name, self.volumes = network, name, container.pop("volumes", [])
        target_type = "ip" if network == "awsvpc" else "instance"
        self.web = Web(region, name, count=0, TargetType=target_type)
        self.ecs = self.web.ecs
        self.web.listen()
        self.web.elbv2.modify_target_group_attributes(
            TargetGroupArn=self.web.group,
            Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": str(delay)}])
        self.container = {
            "name": "web", "image": "landfall/demo", "cpu": 64, "memory": 64,
            "command": ["web", str(PORT)], "portMappings": [{"containerPort": PORT}], **container}
        subnets = [it["SubnetId"] for it in region.client("ec2").describe_subnets()["Subnets"]]
        awsvpc = {"networkConfiguration": {"awsvpcConfiguration": {"subnets": subnets}}}
        self.ecs.create_service(
            serviceName=name, taskDefinition=self.define(), desiredCount=count,
            loadBalancers=[{"targetGroupArn": self.web.group, "containerName": "web",
                            "containerPort": PORT}],
            **(awsvpc if network == "awsvpc" else {}))
        self.wait()

    def define(self, **changes):
        """Registers the next revision; gives its ARN."""
        self.container |= changes
        return self.ecs.register_task_definition(
            family=self.name, networkMode=self.network, containerDefinitions=[self.container],
            volumes=self.volumes)["taskDefinition"]["taskDefinitionArn"]

    def wait(self):
        self.ecs.get_waiter("services_stable").wait(
            services=[self.name], WaiterConfig=QUICKLY)
        return self

    def update(self, **changes):
        return self.ecs.update_service(service=self.name, **changes)["service"]

    def tasks(self):
        arns = self.ecs.list_tasks(serviceName=self.name)["taskArns"]
        return self.ecs.describe_tasks(tasks=arns)["tasks"] if arns else []

    def task(self, arn):
        return self.ecs.describe_tasks(tasks=[arn])["tasks"][0]

    def until_over(self, arn):
        return until(lambda: (it := self.task(arn))["lastStatus"] == "STOPPED" and it, 60,
                     what="it has stopped")

    def targets(self):
        """How its targets are; of instances there may be several of one id."""
        found = self.web.elbv2.describe_target_health(TargetGroupArn=self.web.group)
        return [it["TargetHealth"]["State"] for it in found["TargetHealthDescriptions"]]

    def until_healthy(self, count):
        until(lambda: self.targets() == ["healthy"] * count, 60, what=f"{count} healthy targets")

    def events(self):
        shown = self.ecs.describe_services(services=[self.name])["services"][0]["events"]
        return [it["message"].removeprefix(f"(service {self.name}) ") for it in shown]

    def said(self, what):
        """How many of the targets or tasks the events of that beginning tell of."""
        told = [it for it in self.events() if it.startswith(what)]
        return sum(int(next(word for word in it.split() if word.isdigit())) for it in told)

    def end(self):
        self.ecs.delete_service(service=self.name, force=True)
        self.ecs.get_waiter("services_inactive").wait(
            services=[self.name], WaiterConfig=QUICKLY)
        until(lambda: not self.targets(), 60, what="none of its tasks is a target any more")
        self.web.end()


@pytest.fixture
def service(balanced, name):
    made = []

    def make(**settings):
        made.append(Service(balanced, name, **settings))
        return made[0]

    yield make
    for it in made:
        it.end()


@pytest.mark.parametrize("network", ["awsvpc", "bridge"])
def test_a_rolling_update_fails_no_request(service, network):
    service = service(network=network)
    before = {it["taskArn"] for it in service.tasks()}
    assert service.targets() == ["healthy"] * 3
    with Load(service.web) as load:
        service.update(taskDefinition=service.define(memory=72))
        service.wait()
        load.more(100)
    assert load.failed == []
    after = {it["taskArn"]: it for it in service.tasks()}
    assert len(after) == 3 and not before & set(after)
    service.until_healthy(3)
    assert service.said("registered ") == 6 and service.said("deregistered ") == 3
    assert service.said("has begun draining connections on ") == 3


def test_scaling_in_and_out_fails_no_request(service):
    service = service(network="bridge")
    with Load(service.web) as load:
        for count in [1, 4]:
            service.update(desiredCount=count)
            service.wait()
            service.until_healthy(count)
            load.more(50)
    assert load.failed == []


def test_a_stopped_task_leaves_its_target_group_first_and_is_replaced(service):
    service = service()
    stopped = service.tasks()[0]["taskArn"]
    with Load(service.web) as load:
        answer = service.ecs.stop_task(task=stopped)["task"]
        assert (answer["desiredStatus"], answer["lastStatus"]) == ("STOPPED", "DEACTIVATING")
        over = service.until_over(stopped)
        assert over["stopCode"] == "UserInitiated"
        service.wait()
        service.until_healthy(3)
        load.more(50)
    assert load.failed == []


def test_a_task_that_ends_by_itself_is_no_target_from_then_on_and_is_replaced(service):
    # One of three ends; nobody else is touched.
    service = service()
    victim = service.tasks()[0]
    address = next(it["value"] for it in victim["attachments"][0]["details"]
                   if it["name"] == "privateIPv4Address")
    before = {it["taskArn"] for it in service.tasks()}
    until(lambda: kill(service.web.region, victim), 30, what="its process was killed")
    over = service.until_over(victim["taskArn"])
    assert over["stopCode"] == "EssentialContainerExited"
    until(lambda: address not in service.web.health(), 60, what="its target is gone")
    service.wait()
    service.until_healthy(3)
    assert len(before & {it["taskArn"] for it in service.tasks()}) == 2


def test_an_instance_is_drained_without_a_failed_request(service):
    service = service()
    instance = service.tasks()[0]["containerInstanceArn"]
    status = lambda it: service.ecs.update_container_instances_state(
        containerInstances=[instance], status=it)
    with Load(service.web) as load:
        status("DRAINING")
        try:
            until(lambda: all(it["containerInstanceArn"] != instance for it in service.tasks()), 120,
                  what="nothing of the service is to run there")
            service.wait()
            service.until_healthy(3)
            load.more(50)
        finally:
            status("ACTIVE")
    assert load.failed == []


# Answers requests; one whose path says `slow` once a file is there. Ends as soon as it is told to.
ANSWER = """
read -r asked
while read -r line && [ "$line" != "$(printf '\\r')" ]; do :; done
case "$asked" in *slow*) touch /gate/asked; while [ ! -e /gate/go ]; do sleep 0.1; done;; esac
printf 'HTTP/1.1 200 OK\\r\\nContent-Length: 4\\r\\nConnection: close\\r\\n\\r\\ndone'
"""
GATED = f"""
echo "$ANSWER" > /tmp/answer
trap 'exit 0' TERM
nc -ll -p {PORT} -e /bin/sh /tmp/answer & wait
"""


def test_what_a_task_has_under_way_ends_before_the_task(service, tmp_path):
    if not image.busybox():
        pytest.skip("needs a static busybox")
    service = service(
        count=1, delay=300, image=image.NAME, command=["sh", "-c", GATED],
        environment=[{"name": "ANSWER", "value": ANSWER}],
        mountPoints=[{"sourceVolume": "gate", "containerPath": "/gate"}],
        volumes=[{"name": "gate", "host": {"sourcePath": str(tmp_path)}}])
    task = service.tasks()[0]["taskArn"]
    answers = []
    client = threading.Thread(target=lambda: answers.append(service.web.get(path="/slow", timeout=300)))
    client.start()
    try:
        until((tmp_path / "asked").exists, 60, what="the request has arrived")
        service.ecs.stop_task(task=task)
        until(lambda: "draining" in service.targets(), 30, what="its target drains")
        # What comes meanwhile goes to its replacement.
        until(lambda: "healthy" in service.targets(), 60, what="another one serves")
        assert service.web.get() == (200, b"done")
        assert service.task(task)["lastStatus"] == "DEACTIVATING" and answers == []
    finally:
        (tmp_path / "go").touch()
        client.join()
    assert answers == [(200, b"done")]
    service.until_over(task)


def kill(region, task):
    """Kills the process of a task's only container."""
    wanted = task["taskArn"].rsplit("/", 1)[1]
    found = []
    for process in Path("/proc").iterdir():
        try:
            groups = (process / "cgroup").read_text() if process.name.isdigit() else ""
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in groups and b"web" in words:
            found.append(int(process.name))
    for it in found:
        os.kill(it, signal.SIGKILL)
    return found
