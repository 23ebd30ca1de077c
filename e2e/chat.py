"""The example's chat in a region, and its users: clients of socket.io, each a process of Node.js."""

import json
import shutil
import subprocess
import threading
from pathlib import Path

import pytest

from until import QUICKLY, until

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples/socketio"
MADE = ROOT / "target/example"


def images():
    """The archive of the example's images; made once for what it is made of."""
    done = subprocess.run([EXAMPLE / "images.py", MADE / "images.tar"], capture_output=True, text=True)
    if done.returncode == 2:
        pytest.skip(f"the example's images cannot be made here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    return MADE / "images.tar"


def client_folder():
    """The example's client with what it needs of npm; made once for its lock file."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("the chat's users need Node.js and npm")
    folder, locked = MADE / "client", (EXAMPLE / "client/package-lock.json").read_text()
    shutil.copytree(EXAMPLE / "client", folder, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("node_modules"))
    installed = folder / "installed"
    if not installed.exists() or installed.read_text() != locked:
        done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=folder,
                              capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"the chat's client cannot be installed here: {done.stderr}")
        installed.write_text(locked)
    return folder


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
        subnets = region.client("ec2").describe_subnets()["Subnets"]
        self.vpc, self.subnets = subnets[0]["VpcId"], [it["SubnetId"] for it in subnets]
        self.tasks, self.groups, self.lb = [], {}, None

    def start(self):
        redis = self.run("redis", 1, "awsvpc")
        endpoint = f"redis://{self.address(redis[0])}:6379"
        self.lb = self.elbv2.create_load_balancer(
            Name=self.name, Subnets=self.subnets)["LoadBalancers"][0]
        listener = None
        for service, count, path in [("chat", 4, "/socket.io/socket.io.js"),
                                     ("history", 2, "/history/health")]:
            group = self.group(service, path)
            if listener is None:
                listener = self.elbv2.create_listener(
                    LoadBalancerArn=self.lb["LoadBalancerArn"], Protocol="HTTP", Port=80,
                    DefaultActions=[{"Type": "forward", "TargetGroupArn": group}]
                )["Listeners"][0]["ListenerArn"]
            else:
                self.elbv2.create_rule(
                    ListenerArn=listener, Priority=10,
                    Conditions=[{"Field": "path-pattern", "Values": ["/history", "/history/*"]}],
                    Actions=[{"Type": "forward", "TargetGroupArn": group}])
            tasks = self.run(service, count, self.mode, REDIS_ENDPOINT=endpoint)
            self.elbv2.register_targets(
                TargetGroupArn=group, Targets=[self.target(it) for it in tasks])
            until(lambda: self.healthy(service) == count, 60, what=f"{count} healthy tasks of {service}")
        return self

    def run(self, which, count, mode, **environment):
        """Tasks of one of the example's definitions."""
        definition = json.loads((EXAMPLE / f"tasks/{which}.json").read_text())
        definition |= {"family": f"{self.name}-{which}", "networkMode": mode}
        for one in definition["containerDefinitions"]:
            for it in one.get("environment", []):
                it["value"] = environment.get(it["name"], it["value"])
        registered = self.ecs.register_task_definition(**definition)["taskDefinition"]
        network = {"networkConfiguration": {"awsvpcConfiguration": {"subnets": self.subnets}}}
        made = self.ecs.run_task(
            taskDefinition=registered["taskDefinitionArn"], count=count,
            placementStrategy=[{"type": "spread", "field": "attribute:ecs.availability-zone"}],
            **(network if mode == "awsvpc" else {}))
        assert not made["failures"], made["failures"]
        tasks = [it["taskArn"] for it in made["tasks"]]
        self.tasks += tasks
        self.ecs.get_waiter("tasks_running").wait(tasks=tasks, WaiterConfig=QUICKLY)
        return self.ecs.describe_tasks(tasks=tasks)["tasks"]

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
        return self.groups[service]

    def address(self, task):
        return next(it["value"] for it in task["attachments"][0]["details"]
                    if it["name"] == "privateIPv4Address")

    def target(self, task):
        """Where the balancer finds a task: at an address of its own, or at a port of its instance."""
        if self.mode == "awsvpc":
            return {"Id": self.address(task), "Port": 3000}
        instance = self.ecs.describe_container_instances(
            containerInstances=[task["containerInstanceArn"]])["containerInstances"][0]
        return {"Id": instance["ec2InstanceId"],
                "Port": task["containers"][0]["networkBindings"][0]["hostPort"]}

    def healthy(self, service):
        found = self.elbv2.describe_target_health(TargetGroupArn=self.groups[service])
        return [it["TargetHealth"]["State"] for it in found["TargetHealthDescriptions"]].count("healthy")

    def url(self):
        return f"http://{self.lb['DNSName']}"

    def end(self):
        if self.lb:
            self.elbv2.delete_load_balancer(LoadBalancerArn=self.lb["LoadBalancerArn"])
        for it in self.groups.values():
            self.elbv2.delete_target_group(TargetGroupArn=it)
        for it in self.tasks:
            self.ecs.stop_task(task=it)
