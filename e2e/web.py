"""Web servers behind a load balancer of a region, and clients that never pause."""

import http.client
import subprocess
import threading
import time
from pathlib import Path

import pytest

import name_server
from conftest import runs_containers
from region import Region
from until import QUICKLY, until

PORT = 8080
QUICK = {"HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 4, "HealthyThresholdCount": 2,
         "UnhealthyThresholdCount": 2}


def serving(*flags):
    """A region with balancers and three instances, of the asking module's own; a fixture's body."""
    if not runs_containers():
        pytest.skip("containers need root and a binary that runs them")
    it = Region(*flags, command="up")
    try:
        it.start(within=120)
        until(lambda: it.connected() == 3, 60, what="three instances")
        yield it
        assert "panicked" not in it.tail()
    finally:
        it.down()


class Web:
    """A load balancer, a target group and web servers behind it."""

    def __init__(self, region, name, count=2, kind="application", **group):
        self.region, self.name = region, name
        self.elbv2, self.ecs = region.client("elbv2"), region.client()
        subnets = region.client("ec2").describe_subnets()["Subnets"]
        self.vpc = subnets[0]["VpcId"]
        made = self.elbv2.create_load_balancer(
            Name=name, Type=kind,
            Subnets=[it["SubnetId"] for it in subnets])["LoadBalancers"][0]
        self.arn = made["LoadBalancerArn"]
        self.nodes = until(lambda: self.settled(made["DNSName"], len(subnets)), 10,
                           what="its addresses are known by name and on the machine")
        self.group = self.group_of(name, **group)
        self.tasks = []
        if count:
            definition = self.ecs.register_task_definition(
                family=name, networkMode="awsvpc", containerDefinitions=[
                    {"name": "web", "image": "landfall/demo", "cpu": 64, "memory": 64,
                     "command": ["web", str(PORT)],
                     "portMappings": [{"containerPort": PORT}]}])["taskDefinition"]
            self.tasks = [it["taskArn"] for it in self.ecs.run_task(
                taskDefinition=definition["taskDefinitionArn"], count=count,
                networkConfiguration={"awsvpcConfiguration": {
                    "subnets": [it["SubnetId"] for it in subnets]}})["tasks"]]
            self.ecs.get_waiter("tasks_running").wait(
                tasks=self.tasks, WaiterConfig=QUICKLY)
        self.addresses = [
            next(it["value"] for it in task["attachments"][0]["details"]
                 if it["name"] == "privateIPv4Address")
            for task in (self.ecs.describe_tasks(tasks=self.tasks)["tasks"] if count else [])]
        self.listener = None

    def group_of(self, name, **settings):
        """A target group of that name whose health is found quickly."""
        return self.elbv2.create_target_group(**{
            "Name": name, "Protocol": "HTTP", "Port": PORT, "VpcId": self.vpc, "TargetType": "ip",
            **QUICK, **settings})["TargetGroups"][0]["TargetGroupArn"]

    def forward(self):
        return [{"Type": "forward", "TargetGroupArn": self.group}]

    def listen(self, port=80, actions=None, protocol="HTTP"):
        self.listener = self.elbv2.create_listener(
            LoadBalancerArn=self.arn, Protocol=protocol, Port=port,
            DefaultActions=actions or self.forward())["Listeners"][0]["ListenerArn"]
        return self

    def register(self, addresses=None):
        self.elbv2.register_targets(TargetGroupArn=self.group, Targets=[
            {"Id": it, "Port": PORT} for it in addresses or self.addresses])
        return self

    def deregister(self, address):
        self.elbv2.deregister_targets(
            TargetGroupArn=self.group, Targets=[{"Id": address, "Port": PORT}])

    def health(self):
        found = self.elbv2.describe_target_health(TargetGroupArn=self.group)
        return {it["Target"]["Id"]: it["TargetHealth"]["State"]
                for it in found["TargetHealthDescriptions"]}

    def wait_healthy(self, count=None):
        wanted = len(self.addresses) if count is None else count
        until(lambda: list(self.health().values()).count("healthy") == wanted, 30,
              what=f"{wanted} healthy targets")
        return self

    def settled(self, dns_name, count):
        """Its own addresses, once the machine has them all."""
        code, found = name_server.ask(self.region, dns_name)
        return code == 0 and len(found) == count and self.addresses_of_machine() >= set(found) and found

    def addresses_of_machine(self):
        """Those that the machine has for load balancers."""
        lines = subprocess.run(["ip", "-o", "-4", "addr"], capture_output=True, text=True).stdout
        ours = [it.split()[3] for it in lines.splitlines() if f"lf-{self.region.tag()}" in it]
        return {it.removesuffix("/32") for it in ours if it.endswith("/32")}

    def node(self):
        """An address of the load balancer."""
        return min(self.nodes)

    def get(self, port=80, path="/", timeout=60, address=None):
        connection = http.client.HTTPConnection(address or self.node(), port, timeout=timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def serves(self, port=80):
        try:
            return self.get(port, timeout=5)[0] == 200
        except OSError:
            return False

    def end(self):
        self.elbv2.delete_load_balancer(LoadBalancerArn=self.arn)
        self.elbv2.delete_target_group(TargetGroupArn=self.group)
        for task in self.tasks:
            self.ecs.stop_task(task=task)


class Load:
    """Requests without a pause, each on a connection of its own; counts and keeps what failed."""

    def __init__(self, web, threads=4):
        self.node, self.done, self.failed = web.node(), 0, []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]

    def run(self):
        while not self.over.is_set():
            began = time.time()
            try:
                connection = http.client.HTTPConnection(self.node, 80, timeout=60)
                connection.request("GET", "/")
                answer = connection.getresponse()
                body = answer.read()
                connection.close()
                if answer.status != 200:
                    self.failed.append((began, answer.status, body[:80]))
            except OSError as error:
                self.failed.append((began, repr(error)))
            except http.client.HTTPException as error:
                self.failed.append((began, repr(error)))
            self.done += 1

    def more(self, count=50):
        """Waits until so many more requests have ended."""
        goal = self.done + count
        until(lambda: self.done >= goal, 30, what=f"{count} more requests")

    def __enter__(self):
        for it in self.threads:
            it.start()
        self.more()
        return self

    def __exit__(self, *_):
        self.over.set()
        for it in self.threads:
            it.join()


def balancers(region):
    """The processes that carry its traffic."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[1:2] == [b"balancer"] and region.data.encode() in b" ".join(words):
                found.add(int(folder.name))
    return found
