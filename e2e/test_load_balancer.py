"""Load balancers that carry real traffic to real containers, through everything that goes wrong."""

import http.client
import os
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from conftest import runs_containers
from region import Region
from until import until

PORT = 8080
QUICK = {"HealthCheckIntervalSeconds": 5, "HealthCheckTimeoutSeconds": 2, "HealthyThresholdCount": 2,
         "UnhealthyThresholdCount": 2}


@pytest.fixture(scope="module")
def balanced():
    """A region with a balancer and three instances, of its own: these tests kill parts of it."""
    if not runs_containers():
        pytest.skip("containers need root and a binary that runs them")
    it = Region(command="up")
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
        vpc = subnets[0]["VpcId"]
        before = self.addresses_of_machine()
        made = self.elbv2.create_load_balancer(
            Name=name, Type=kind,
            Subnets=[it["SubnetId"] for it in subnets])["LoadBalancers"][0]
        self.arn = made["LoadBalancerArn"]
        self.nodes = until(lambda: len(fresh := self.addresses_of_machine() - before) == 3 and fresh,
                           10, what="its three addresses are on the machine")
        self.group = self.elbv2.create_target_group(**{
            "Name": name, "Protocol": "HTTP", "Port": PORT, "VpcId": vpc, "TargetType": "ip",
            **QUICK, **group})["TargetGroups"][0]["TargetGroupArn"]
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
                tasks=self.tasks, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        self.addresses = [
            next(it["value"] for it in task["attachments"][0]["details"]
                 if it["name"] == "privateIPv4Address")
            for task in (self.ecs.describe_tasks(tasks=self.tasks)["tasks"] if count else [])]
        self.listener = None

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

    def addresses_of_machine(self):
        """Those that the machine has for load balancers."""
        lines = subprocess.run(["ip", "-o", "-4", "addr"], capture_output=True, text=True).stdout
        ours = [it.split()[3] for it in lines.splitlines() if f"lf-{self.region.tag()}" in it]
        return {it.removesuffix("/32") for it in ours if it.endswith("/32")}

    def node(self):
        """An address of the load balancer."""
        return min(self.nodes)

    def get(self, port=80, path="/", timeout=10, address=None):
        connection = http.client.HTTPConnection(address or self.node(), port, timeout=timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def serves(self, port=80):
        try:
            return self.get(port, timeout=2)[0] == 200
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
                connection = http.client.HTTPConnection(self.node, 80, timeout=10)
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


@pytest.fixture
def web(balanced, request):
    """The usual one: two web servers that are healthy, on port 80."""
    it = Web(balanced, f"w{os.getpid()}-{abs(hash(request.node.name)) % 10**6}")
    it.listen().register().wait_healthy()
    yield it
    it.end()


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


def test_a_request_reaches_a_container_through_the_load_balancer(web):
    status, body = web.get()
    assert status == 200 and body
    lb = web.elbv2.describe_load_balancers(LoadBalancerArns=[web.arn])["LoadBalancers"][0]
    assert lb["State"]["Code"] == "active"
    shown = web.region.landfall("balancer", "status").stdout
    assert "CONNECTED" in shown and "2 of 2" in shown


def test_health_is_found_by_the_balancer_and_told(web):
    # Nobody listens there: it never becomes healthy, and gets no requests.
    nobody = "172.31.255.254" if web.node().startswith("172.31.") else web.node()
    web.register([nobody])
    until(lambda: web.health()[nobody] == "unhealthy", 40, what="an unhealthy target")
    assert {web.get()[0] for _ in range(20)} == {200}
    web.ecs.stop_task(task=web.tasks[0])
    until(lambda: "unhealthy" in {web.health()[it] for it in web.addresses}, 40,
          what="the target of a stopped task is unhealthy")
    assert {web.get()[0] for _ in range(20)} == {200}


def test_a_target_that_nobody_is_busy_with_drains_at_once(web):
    leaving, staying = web.addresses
    web.deregister(leaving)
    until(lambda: leaving not in web.health(), 5, what="the idle target is gone")
    assert web.health() == {staying: "healthy"}
    assert {web.get()[0] for _ in range(10)} == {200}


def test_changes_under_load_fail_no_request(web):
    with Load(web) as load:
        for round in range(5):
            rule = web.elbv2.create_rule(
                ListenerArn=web.listener, Priority=round + 1,
                Conditions=[{"Field": "path-pattern", "Values": [f"/other/{round}/*"]}],
                Actions=[{"Type": "fixed-response", "FixedResponseConfig": {
                    "StatusCode": "418", "ContentType": "text/plain", "MessageBody": "teapot"}}],
            )["Rules"][0]["RuleArn"]
            until(lambda: web.get(path=f"/other/{round}/x")[0] == 418, 5, what="the rule serves")
            web.elbv2.delete_rule(RuleArn=rule)
            web.deregister(web.addresses[round % 2])
            load.more()
            web.register().wait_healthy()
    assert load.failed == []
    assert load.done > 500


def test_traffic_goes_on_while_the_control_plane_is_dead(balanced, web):
    with Load(web) as load:
        balanced.kill()
        load.more(200)
        balanced.start(within=120)
        until(lambda: balanced.connected() == 3, 60, what="three instances")
        until(lambda: "CONNECTED" in balanced.landfall("balancer", "status").stdout, 20,
              what="the balancer is back")
        load.more(100)
        web.wait_healthy()
    assert load.failed == []
    assert len(balancers(balanced)) == 1, "the older one has left"


def test_a_killed_balancer_is_started_again_and_serves_what_it_has_kept(balanced, web):
    before = balancers(balanced)
    for it in before:
        os.kill(it, signal.SIGKILL)
    until(lambda: balancers(balanced) - before, 10, what="a new balancer")

    until(web.serves, 10, what="it serves")
    web.wait_healthy()


def test_a_balancer_that_takes_the_place_of_another_refuses_nobody(balanced, web):
    with Load(web) as load:
        for _ in range(3):
            before = balancers(balanced)
            process = before.copy().pop()
            words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")[:-1]
            environment = dict(it.split(b"=", 1) for it in
                               Path(f"/proc/{process}/environ").read_bytes().split(b"\0") if b"=" in it)
            fresh = subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL)
            until(lambda: process not in balancers(balanced), 20, what="the older one ends")
            load.more(100)
            # `up` keeps one of its own, which takes the place of this one.
            until(lambda: fresh.poll() is not None, 30, what="the one of `up` has come back")
            until(lambda: len(balancers(balanced)) == 1, 30, what="one is left")
    assert load.failed == []


def test_a_port_in_use_is_an_error_of_the_request(balanced, web):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ClientError) as refused:
            web.listen(port)
        error = refused.value.response["Error"]
        assert error["Code"] == "InvalidConfigurationRequest"
        assert str(port) in error["Message"] and "in use" in error["Message"]
    assert len(web.elbv2.describe_listeners(LoadBalancerArn=web.arn)["Listeners"]) == 1
    web.listen(port)
    until(lambda: web.serves(port), 5, what="it serves once it is free")


def test_bytes_go_through_a_network_load_balancer(balanced, request):
    web = Web(balanced, f"n{os.getpid()}", kind="network", Protocol="TCP")
    try:
        web.listen(protocol="TCP").register().wait_healthy()
        assert {web.get()[0] for _ in range(20)} == {200}
        web.deregister(web.addresses[0])
        until(lambda: web.addresses[0] not in web.health(), 5, what="the idle target is gone")
        assert {web.get()[0] for _ in range(10)} == {200}
    finally:
        web.end()
