"""A service of web servers behind a load balancer of a region, and what its tasks' records say of it."""

import os
import signal
from pathlib import Path

import image
from until import QUICKLY, until
from web import PORT, Web

# A site of one page. Who asks for `cgi-bin/slow` tells it in a folder, and is answered once that folder
# has a file `go`. It ends as soon as it is told to.
SLOW = """#!/bin/sh
touch /gate/asked
while [ ! -e /gate/go ]; do sleep 0.1; done
printf 'Content-Type: text/plain\\r\\n\\r\\ndone'
"""
SITE = f"""
busybox mkdir -p /tmp/www/cgi-bin
echo up > /tmp/www/index.html
echo well > /tmp/www/health
echo "$SLOW" > /tmp/www/cgi-bin/slow
busybox chmod +x /tmp/www/cgi-bin/slow
trap 'exit 0' TERM
busybox httpd -f -p {PORT} -h /tmp/www & wait
"""


def gated(folder):
    """What a service is made with whose tasks serve the site, with that folder."""
    return {"image": image.NAME, "command": ["sh", "-c", SITE], "environment": [{"name": "SLOW", "value": SLOW}],
            "mountPoints": [{"sourceVolume": "gate", "containerPath": "/gate"}],
            "volumes": [{"name": "gate", "host": {"sourcePath": str(folder)}}]}


class Service:
    """A service of web servers behind a load balancer, all healthy.

    `path` is what health checks ask for; `beside` another container, whose port is in another target
    group behind another listener. What else is given is the web container's.
    """

    def __init__(self, region, name, count=3, network="awsvpc", delay=30, kind="application",
                 path=None, beside=None, **container):
        self.network, self.name, self.volumes = network, name, container.pop("volumes", [])
        target_type = "ip" if network == "awsvpc" else "instance"
        protocol = "TCP" if kind == "network" else "HTTP"
        group = {"HealthCheckPath": path} if path else {}
        self.web = Web(region, name, count=0, kind=kind, TargetType=target_type, Protocol=protocol, **group)
        self.ecs = self.web.ecs
        self.web.listen(protocol=protocol)
        # One that has only just started may be told to end before it listens for that.
        self.containers = [{
            "name": "web", "stopTimeout": 2, "image": "landfall/demo", "cpu": 64, "memory": 64,
            "command": ["web", str(PORT)], "portMappings": [{"containerPort": PORT}], **container}]
        self.groups = [self.web.group]
        if beside:
            self.containers.append(beside)
            self.groups.append(self.web.group_of(f"{name}-beside", TargetType=target_type))
            self.web.listen(81, [{"Type": "forward", "TargetGroupArn": self.groups[1]}])
        for it in self.groups:
            self.web.elbv2.modify_target_group_attributes(TargetGroupArn=it, Attributes=[
                {"Key": "deregistration_delay.timeout_seconds", "Value": str(delay)}])
        subnets = [it["SubnetId"] for it in region.client("ec2").describe_subnets()["Subnets"]]
        awsvpc = {"networkConfiguration": {"awsvpcConfiguration": {"subnets": subnets}}}
        self.ecs.create_service(
            serviceName=name, taskDefinition=self.define(), desiredCount=count,
            loadBalancers=[{"targetGroupArn": group, "containerName": it["name"],
                            "containerPort": it["portMappings"][0]["containerPort"]}
                           for it, group in zip(self.containers, self.groups)],
            **(awsvpc if network == "awsvpc" else {}))
        self.wait().until_healthy(count)

    def define(self, **changes):
        """Registers the next revision; gives its ARN."""
        self.containers[0] |= changes
        return self.ecs.register_task_definition(
            family=self.name, networkMode=self.network, containerDefinitions=self.containers,
            volumes=self.volumes)["taskDefinition"]["taskDefinitionArn"]

    def describe(self):
        return self.ecs.describe_services(services=[self.name])["services"][0]

    def wait(self):
        self.ecs.get_waiter("services_stable").wait(
            services=[self.name], WaiterConfig=QUICKLY)
        return self

    def update(self, **changes):
        return self.ecs.update_service(service=self.name, **changes)["service"]

    def tasks(self, desired="RUNNING"):
        arns = self.ecs.list_tasks(serviceName=self.name, desiredStatus=desired)["taskArns"]
        return self.ecs.describe_tasks(tasks=arns)["tasks"] if arns else []

    def task(self, arn):
        return self.ecs.describe_tasks(tasks=[arn])["tasks"][0]

    def until_over(self, arn):
        return until(lambda: (it := self.task(arn))["lastStatus"] == "STOPPED" and it, 60,
                     what="it has stopped")

    def targets(self, group=0):
        """How its targets are; of instances there may be several of one id."""
        found = self.web.elbv2.describe_target_health(TargetGroupArn=self.groups[group])
        return [it["TargetHealth"]["State"] for it in found["TargetHealthDescriptions"]]

    def addresses(self, group=0):
        """Of its targets."""
        found = self.web.elbv2.describe_target_health(TargetGroupArn=self.groups[group])
        return {it["Target"]["Id"] for it in found["TargetHealthDescriptions"]}

    def until_healthy(self, count):
        until(lambda: [self.targets(it) for it, _ in enumerate(self.groups)]
              == [["healthy"] * count] * len(self.groups), 60, what=f"{count} healthy targets in each group")

    def events(self):
        return [it["message"].removeprefix(f"(service {self.name}) ") for it in self.describe()["events"]]

    def said(self, what):
        """How many of the targets or tasks the events of that beginning tell of."""
        told = [it for it in self.events() if it.startswith(what)]
        return sum(int(next(word for word in it.split() if word.isdigit())) for it in told)

    def assert_never_less_or_more(self, least, most):
        """By the records of all its tasks: since as many as `least` ran for the first time, never fewer
        did that were not told to stop, and never were more than `most` there."""
        tasks = self.tasks() + self.tasks("STOPPED")
        over = lambda it: it.get("stoppedAt")
        told = lambda it: it.get("stoppingAt") or over(it)
        # Of what is of one moment, that which speaks for the service comes first.
        there = sorted([(it["createdAt"], 1) for it in tasks] + [(over(it), -1) for it in tasks if over(it)])
        running = sorted([(it["startedAt"], -1) for it in tasks if "startedAt" in it]
                         + [(told(it), 1) for it in tasks if "startedAt" in it and told(it)])
        count, has_begun = 0, False
        for at, change in running:
            count -= change
            has_begun |= count >= least
            assert not has_begun or count >= least, f"{count} run at {at}: {tasks}"
        assert has_begun
        count = 0
        for at, change in there:
            count += change
            assert count <= most, f"{count} are there at {at}: {tasks}"

    def end(self):
        self.ecs.delete_service(service=self.name, force=True)
        self.ecs.get_waiter("services_inactive").wait(
            services=[self.name], WaiterConfig=QUICKLY)
        until(lambda: not any(map(self.addresses, range(len(self.groups)))), 60,
              what="none of its tasks is a target any more")
        self.web.end()
        for it in self.groups[1:]:
            self.web.elbv2.delete_target_group(TargetGroupArn=it)


def address(task):
    """That of its interface."""
    return next(it["value"] for it in task["attachments"][0]["details"] if it["name"] == "privateIPv4Address")


def processes(task):
    """Those of a task's containers that serve something."""
    wanted = task["taskArn"].rsplit("/", 1)[1]
    for process in Path("/proc").iterdir():
        try:
            groups = (process / "cgroup").read_text() if process.name.isdigit() else ""
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if wanted in groups and (b"web" in words or b"httpd" in words):
            yield process


def kill(task):
    """Kills the process of a task's only container."""
    found = [int(it.name) for it in processes(task)]
    for it in found:
        os.kill(it, signal.SIGKILL)
    return found


def fall_ill(task):
    """A task that serves the site has nothing any more where its health is asked for."""
    site = next(it / "root/tmp/www" for it in processes(task) if (it / "root/tmp/www/health").exists())
    (site / "health").unlink()
