"""The example's chat as services of a region, and its users: clients of socket.io, each a process of Node.js."""

import json
import os
import signal
import subprocess
import threading
from pathlib import Path

import pytest

import node
from node import MADE, alone
from until import QUICKLY, until

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples/socketio"


def images():
    """The archive of the example's images; made once for what it is made of."""
    with alone():
        done = subprocess.run(
            [EXAMPLE / "images.py", MADE / "images.tar"], capture_output=True, text=True)
    if done.returncode == 2:
        pytest.skip(f"the example's images cannot be made here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    return MADE / "images.tar"


def client_folder():
    """The example's client with what it needs of npm."""
    return node.installed(EXAMPLE / "client")


class Client:
    """One user: says lines, and keeps all that happens in the order in which it happens."""

    def __init__(self, folder, url, name, transports="polling,websocket"):
        self.name, self.events = name, []
        self.process = subprocess.Popen(
            ["node", "client.js", url, name, transports], cwd=folder, text=True, bufsize=1,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def all(self, *kinds):
        return [it for it in list(self.events) if it["event"] in kinds]

    def task(self):
        """The task that it is connected to; nothing while it is to none."""
        assert self.process.poll() is None, f"the process of {self.name} has ended"
        found = self.all("task", "disconnected")
        return found[-1].get("id") if found else None

    def release(self):
        """The release that this task runs."""
        found = self.all("task", "disconnected")
        return found[-1].get("release") if found else None

    def transport(self):
        return self.all("connected", "upgraded")[-1]["transport"]

    def say(self, text):
        self.process.stdin.write(f"{text}\n")

    def heard(self):
        """What it was shown, as (who, text)."""
        return [(it["from"], it["text"]) for it in self.all("message")]

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.reader.join()
        self.process.stdout.close()


def everybody_hears(clients, what):
    """Each says something new, and each hears it of each."""
    for it in clients:
        it.say(what)
    for it in clients:
        until(lambda it=it: {(of.name, what) for of in clients} <= set(it.heard()), 60,
              what=f"{it.name} hears {what!r} of all")


def nobody_heard_twice(clients):
    for it in clients:
        assert len(it.heard()) == len(set(it.heard())), f"{it.name} heard something twice"


class Chat:
    """The chat, its history on a path rule, and its Redis, in one of the document's two set-ups."""

    def __init__(self, region, name, mode):
        self.name, self.mode = name, mode
        self.ecs, self.elbv2 = region.client(), region.client("elbv2")
        self.map = region.client("servicediscovery")
        subnets = region.client("ec2").describe_subnets()["Subnets"]
        self.vpc, self.subnets = subnets[0]["VpcId"], [it["SubnetId"] for it in subnets]
        self.services, self.groups, self.lb, self.namespace, self.registry = [], {}, None, None, None

    def start(self):
        self.name_redis()
        self.balance()
        self.serve("redis", 1, "awsvpc", serviceRegistries=[{"registryArn": self.registry["Arn"]}],
                   deploymentConfiguration={"minimumHealthyPercent": 0, "maximumPercent": 100})
        for service, count in [("chat", 4), ("history", 2)]:
            self.serve(
                service, count, self.mode, healthCheckGracePeriodSeconds=60,
                placementStrategy=[{"type": "spread", "field": "attribute:ecs.availability-zone"},
                                   {"type": "spread", "field": "instanceId"}],
                loadBalancers=[{"targetGroupArn": self.groups[service], "containerName": service,
                                "containerPort": 3000}])
        return self.settled()

    def name_redis(self):
        """Makes the name `redis.NAME.local`."""
        made = self.map.create_private_dns_namespace(Name=f"{self.name}.local", Vpc=self.vpc)
        until(lambda: self.map.get_operation(OperationId=made["OperationId"])["Operation"]["Status"]
              == "SUCCESS", 30, what="the namespace is there")
        done = self.map.get_operation(OperationId=made["OperationId"])["Operation"]
        self.namespace = done["Targets"]["NAMESPACE"]
        self.registry = self.map.create_service(
            Name="redis", NamespaceId=self.namespace, HealthCheckCustomConfig={},
            DnsConfig={"RoutingPolicy": "MULTIVALUE", "DnsRecords": [{"Type": "A", "TTL": 1}]})["Service"]

    def balance(self):
        self.lb = self.elbv2.create_load_balancer(
            Name=self.name, Subnets=self.subnets)["LoadBalancers"][0]
        self.group("chat", "/socket.io/socket.io.js")
        self.group("history", "/history/health")
        listener = self.elbv2.create_listener(
            LoadBalancerArn=self.lb["LoadBalancerArn"], Protocol="HTTP", Port=80,
            DefaultActions=[self.forward("chat")])["Listeners"][0]
        self.elbv2.create_rule(
            ListenerArn=listener["ListenerArn"], Priority=10, Actions=[self.forward("history")],
            Conditions=[{"Field": "path-pattern", "Values": ["/history", "/history/*"]}])

    def group(self, service, path):
        made = self.elbv2.create_target_group(
            Name=f"{self.name}-{service}", Protocol="HTTP", Port=3000, VpcId=self.vpc,
            TargetType="ip" if self.mode == "awsvpc" else "instance", HealthCheckPath=path,
            HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=4, HealthyThresholdCount=2)
        self.groups[service] = made["TargetGroups"][0]["TargetGroupArn"]
        self.elbv2.modify_target_group_attributes(
            TargetGroupArn=self.groups[service], Attributes=[
                {"Key": "stickiness.enabled", "Value": "true"},
                {"Key": "stickiness.type", "Value": "lb_cookie"},
                {"Key": "deregistration_delay.timeout_seconds", "Value": "5"}])

    def forward(self, service):
        return {"Type": "forward", "TargetGroupArn": self.groups[service]}

    def serve(self, which, count, mode, **settings):
        """A service of one of the example's definitions."""
        if mode == "awsvpc":
            settings["networkConfiguration"] = {"awsvpcConfiguration": {"subnets": self.subnets}}
        self.ecs.create_service(serviceName=f"{self.name}-{which}", desiredCount=count,
                                taskDefinition=self.define(which, mode), **settings)
        self.services.append(f"{self.name}-{which}")

    def define(self, which, mode, **environment):
        environment |= {"REDIS_ENDPOINT": f"redis://redis.{self.name}.local:6379"}
        definition = json.loads((EXAMPLE / f"tasks/{which}.json").read_text())
        definition |= {"family": f"{self.name}-{which}", "networkMode": mode}
        for one in definition["containerDefinitions"]:
            for it in one.get("environment", []):
                it["value"] = environment.get(it["name"], it["value"])
        return self.ecs.register_task_definition(**definition)["taskDefinition"]["taskDefinitionArn"]

    def begin_update(self, release):
        """Begins a rolling update to a definition that says another release."""
        self.ecs.update_service(service=f"{self.name}-chat",
                                taskDefinition=self.define("chat", self.mode, RELEASE=release))

    def settled(self):
        """Waits until all services have what they should, and targets say so."""
        self.ecs.get_waiter("services_stable").wait(services=self.services, WaiterConfig=QUICKLY)
        until(lambda: self.healthy("chat") == 4 and self.healthy("history") == 2, 60,
              what="six healthy targets")
        return self

    def tasks(self, which="chat"):
        """Its running tasks."""
        found = self.ecs.list_tasks(serviceName=f"{self.name}-{which}")["taskArns"]
        return self.ecs.describe_tasks(tasks=found)["tasks"] if found else []

    def instance_of(self, task):
        """The container instance of a task, which is named by the first digits of its id."""
        arn = next(it["containerInstanceArn"] for it in self.tasks()
                   if it["taskArn"].rsplit("/", 1)[1].startswith(task))
        return self.ecs.describe_container_instances(
            containerInstances=[arn])["containerInstances"][0]

    def instances(self):
        """Where tasks are, of whichever service."""
        return {it["containerInstanceArn"] for which in ("redis", "chat", "history")
                for it in self.tasks(which)}

    def healthy(self, service):
        found = self.elbv2.describe_target_health(TargetGroupArn=self.groups[service])
        return [it["TargetHealth"]["State"] for it in found["TargetHealthDescriptions"]].count("healthy")

    def node(self):
        return self.lb["DNSName"]

    def url(self):
        return f"http://{self.node()}"

    def end(self):
        for it in self.services:
            self.ecs.delete_service(service=it, force=True)
        if self.lb:
            self.elbv2.delete_load_balancer(LoadBalancerArn=self.lb["LoadBalancerArn"])
        if self.services:
            self.ecs.get_waiter("services_inactive").wait(
                services=self.services, WaiterConfig=QUICKLY)
        for it in self.groups.values():
            self.elbv2.delete_target_group(TargetGroupArn=it)
        if self.registry:
            self.map.delete_service(Id=self.registry["Id"])
        if self.namespace:
            self.map.delete_namespace(Id=self.namespace)


def crash(task):
    """Kills the program of a task, as a fault of its own would."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                ours = task in (folder / "cgroup").read_text()
                if ours and os.readlink(folder / "exe") == "/usr/bin/node":
                    os.kill(int(folder.name), signal.SIGKILL)
            except OSError:
                continue
