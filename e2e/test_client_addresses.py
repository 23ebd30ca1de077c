"""Network load balancers whose targets see the addresses of their clients."""

import subprocess
import sys
from pathlib import Path

import pytest

from until import QUICKLY, until
from web import Web, serving

PORT = 7
# So often that every target is met by every client, near or far.
TIMES = 20
# Prints what servers say to this client, and the client's own address each time.
CLIENT = """
import socket, sys
kind = {"TCP": socket.SOCK_STREAM, "UDP": socket.SOCK_DGRAM}[sys.argv[1]]
for _ in range(int(sys.argv[4])):
    with socket.socket(socket.AF_INET, kind) as it:
        it.settimeout(60)
        it.connect((sys.argv[2], int(sys.argv[3])))
        if kind == socket.SOCK_DGRAM:
            it.send(b"?")
        heard = it.recv(100)
        while not heard.endswith(b"\\n"):
            heard += it.recv(100)
        print(heard.decode().strip(), "%s:%s" % it.getsockname())
"""
PRESERVE = "preserve_client_ip.enabled"


@pytest.fixture(scope="module")
def balanced():
    yield from serving()


class Behind(Web):
    """A network load balancer before a program on each instance that tells clients their address."""

    def __init__(self, region, name, protocol, targets, **attributes):
        super().__init__(region, name, count=0, kind="network", Protocol=protocol, Port=PORT,
                         TargetType=targets)
        self.elbv2.modify_target_group_attributes(
            TargetGroupArn=self.group,
            Attributes=[{"Key": key, "Value": value} for key, value in attributes.items()])
        mode, identify = {"ip": ("awsvpc", address), "instance": ("bridge", self.instance)}[targets]
        self.addresses = [identify(it) for it in self.run(name, mode, ["peer", str(PORT)])]
        self.listen(port=PORT, protocol=protocol)
        self.elbv2.register_targets(TargetGroupArn=self.group, Targets=[
            {"Id": it, "Port": PORT} for it in self.addresses])
        self.wait_healthy()

    def run(self, family, mode, command):
        """A task on each instance."""
        ports = [{"containerPort": PORT, "hostPort": PORT, "protocol": it} for it in ("tcp", "udp")]
        definition = self.ecs.register_task_definition(
            family=family, networkMode=mode, containerDefinitions=[{
                "name": "main", "image": "landfall/demo", "cpu": 32, "memory": 32,
                "command": command, "portMappings": ports if command[0] == "peer" else []}],
        )["taskDefinition"]["taskDefinitionArn"]
        subnets = [it["SubnetId"] for it in self.region.client("ec2").describe_subnets()["Subnets"]]
        network = {"networkConfiguration": {"awsvpcConfiguration": {"subnets": subnets}}}
        answer = self.ecs.run_task(
            taskDefinition=definition, count=3,
            placementConstraints=[{"type": "distinctInstance"}],
            **(network if mode == "awsvpc" else {}))
        assert not answer["failures"], answer["failures"]
        tasks = [it["taskArn"] for it in answer["tasks"]]
        self.tasks += tasks
        self.ecs.get_waiter("tasks_running").wait(tasks=tasks, WaiterConfig=QUICKLY)
        return self.ecs.describe_tasks(tasks=tasks)["tasks"]

    def instance(self, task):
        return self.ecs.describe_container_instances(
            containerInstances=[task["containerInstanceArn"]])["containerInstances"][0]["ec2InstanceId"]

    def seen(self, protocol, process=None):
        """What targets see of a client on the machine, or in the network of a process, and its own
        addresses at these times."""
        enter = ["nsenter", "-t", str(process), "-n"] if process else []
        done = subprocess.run(
            [*enter, sys.executable, "-c", CLIENT, protocol, self.node(), str(PORT), str(TIMES)],
            capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return list(zip(*(it.split() for it in done.stdout.splitlines())))


def address(task):
    return next(it["value"] for it in task["attachments"][0]["details"]
                if it["name"] == "privateIPv4Address")


def hosts(addresses):
    return {it.split(":")[0] for it in addresses}


def processes(words):
    """Processes of containers that have these words, which nobody else has."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                line = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
            except OSError:
                continue
            if line[-len(words):] == words:
                found.append(int(folder.name))
    return found


@pytest.fixture
def behind(balanced, name, request):
    """As the test asks for: protocol, kind of targets, attributes."""
    protocol, targets, attributes = request.param
    it = Behind(balanced, name, protocol, targets, **attributes)
    yield it
    it.end()


@pytest.fixture
def clients(behind, name):
    """Tasks with addresses of their own, one beside each target: their addresses and a process of each."""
    words = ["sleep", "7" + "".join(it for it in name if it.isdigit())]
    tasks = behind.run(f"{name}-clients", "awsvpc", words)
    found = until(lambda: len(all := processes(words)) == 3 and all, 30, what="their processes")
    return {address(it) for it in tasks}, found


def kinds(*each):
    """Tests with each of these."""
    names = [f"{protocol}-{targets}" for protocol, targets, _ in each]
    return pytest.mark.parametrize("behind", each, indirect=True, ids=names)


@kinds(("TCP", "ip", {PRESERVE: "true"}), ("TCP", "instance", {}), ("UDP", "ip", {}),
       ("TCP_UDP", "instance", {}))
def test_targets_see_the_addresses_of_their_clients(behind, clients):
    addresses, found = clients
    listener = behind.elbv2.describe_listeners(ListenerArns=[behind.listener])["Listeners"][0]
    for protocol in listener["Protocol"].split("_"):
        met = set()
        for process in found:
            seen, own = behind.seen(protocol, process)
            assert seen == own
            met |= hosts(own)
        assert met == addresses
        # A client on the machine holds its port itself.
        seen, own = behind.seen(protocol)
        assert hosts(seen) == hosts(own) and len(hosts(own)) == 1


@kinds(("TCP", "ip", {}), ("TCP", "instance", {PRESERVE: "false"}))
def test_targets_see_the_balancer_where_that_is_asked_for(behind, clients):
    addresses, found = clients
    seen, own = behind.seen("TCP", found[0])
    assert hosts(own) <= addresses and not hosts(seen) & addresses
    # From the next flow on they see clients.
    behind.elbv2.modify_target_group_attributes(
        TargetGroupArn=behind.group, Attributes=[{"Key": PRESERVE, "Value": "true"}])

    def sees():
        seen, own = behind.seen("TCP", found[0])
        return seen == own

    until(sees, 10, what="the addresses of clients")
