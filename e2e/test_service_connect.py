"""Service Connect: tasks reach a service by the name and port of its client alias."""

import json
import os
import socket

import pytest
from botocore.exceptions import ClientError

import image
from name_server import ask
from until import QUICKLY, until
from web import PORT, Load, Web, serving

SHELL = pytest.mark.skipif(not image.busybox(), reason="no busybox on this machine")


@pytest.fixture(scope="module")
def region(tmp_path_factory):
    for it in serving():
        if image.busybox():
            it.landfall("image", "load", str(image.archive(
                tmp_path_factory.mktemp("image") / "busybox.tar")))
        yield it


@pytest.fixture(scope="module")
def namespace(region):
    """The name of a namespace."""
    name = f"shop-{os.getpid()}"
    region.client("servicediscovery").create_http_namespace(Name=name)
    return name


def awsvpc(region, network):
    """What a request says of the network of tasks."""
    if network != "awsvpc":
        return {}
    subnets = [it["SubnetId"] for it in region.client("ec2").describe_subnets()["Subnets"]]
    return {"networkConfiguration": {"awsvpcConfiguration": {"subnets": subnets}}}


class Service:
    """A service of web servers with a client alias, which the machine reaches too."""

    def __init__(self, region, namespace, name, count=3, network="awsvpc", alias="own",
                 protocol="http"):
        self.region, self.ecs, self.name = region, region.client(), name
        self.network = network
        mapping = {"name": "web", "containerPort": PORT}
        self.container = {
            "name": "web", "image": "landfall/demo", "cpu": 64, "memory": 64,
            "command": ["web", str(PORT)],
            "portMappings": [mapping | ({"appProtocol": protocol} if protocol else {})]}
        self.named = {"dnsName": name} if alias == "own" else {}
        self.alias = self.named.get("dnsName", f"{name}.{namespace}")
        self.ecs.create_service(
            serviceName=name, taskDefinition=self.define(), desiredCount=count,
            serviceConnectConfiguration=self.configuration(namespace),
            **awsvpc(region, network))
        self.wait()
        until(self.serves, 60, what="its endpoint answers")

    def configuration(self, namespace):
        return {"enabled": True, "namespace": namespace, "services": [{
            "portName": "web", "discoveryName": self.name,
            "clientAliases": [{"port": 80} | self.named]}]}

    def define(self, **changes):
        self.container |= changes
        return self.ecs.register_task_definition(
            family=self.name, networkMode=self.network,
            containerDefinitions=[self.container])["taskDefinition"]["taskDefinitionArn"]

    def wait(self):
        self.ecs.get_waiter("services_stable").wait(services=[self.name], WaiterConfig=QUICKLY)

    def node(self):
        """The address of its endpoint."""
        code, addresses = ask(self.region, self.alias)
        assert code == 0 and len(addresses) == 1, (code, addresses)
        return addresses[0]

    def serves(self):
        try:
            return Web.get(self, 80, timeout=5)[0] == 200
        except OSError:
            return False

    def tasks(self):
        arns = self.ecs.list_tasks(serviceName=self.name)["taskArns"]
        return {it.rsplit("/", 1)[-1] for it in arns}

    def end(self):
        self.ecs.delete_service(service=self.name, force=True)
        self.ecs.get_waiter("services_inactive").wait(
            services=[self.name], WaiterConfig=QUICKLY)


@pytest.fixture
def service(region, namespace, name):
    made = []

    def make(**settings):
        made.append(Service(region, namespace, name, **settings))
        return made[0]

    yield make
    for it in made:
        it.end()


def run(region, name, network, script):
    """Starts a task that runs a script; gives its ARN."""
    ecs = region.client()
    definition = ecs.register_task_definition(
        family=f"{name}-client", networkMode=network, containerDefinitions=[{
            "name": "main", "image": image.NAME, "memory": 64, "command": ["sh", "-c", script]}],
    )["taskDefinition"]["taskDefinitionArn"]
    answer = ecs.run_task(taskDefinition=definition, **awsvpc(region, network))
    assert not answer["failures"], answer["failures"]
    return answer["tasks"][0]["taskArn"]


def ended_well(region, task):
    def over():
        found = region.client().describe_tasks(tasks=[task])["tasks"][0]
        return found["lastStatus"] == "STOPPED" and found

    over = until(over, 60, what="STOPPED")
    assert over["containers"][0].get("exitCode") == 0, json.dumps(over, default=str, indent=1)


@SHELL
@pytest.mark.parametrize("network", ["awsvpc", "bridge"])
def test_tasks_of_either_network_reach_a_service_by_its_alias(region, service, name, network):
    service(network=network, count=2)
    script = f"busybox wget -q -O /dev/null http://{name}/"
    for client in ["awsvpc", "bridge"]:
        ended_well(region, run(region, name, client, script))


def test_without_a_name_of_its_own_an_alias_is_the_discovery_name_in_the_namespace(
        region, namespace, service, name):
    service(network="bridge", count=1, alias="default")
    assert ask(region, f"{name}.{namespace}", kind=28) == (0, [])
    assert ask(region, name)[1] == []


@SHELL
@pytest.mark.parametrize("network", ["awsvpc", "bridge"])
def test_a_rolling_update_fails_no_request_by_the_alias(region, service, name, network):
    service = service(network=network)
    before = service.tasks()
    # Ends by itself with the first request that fails, and well when it is told to end.
    script = (f"trap 'exit 0' TERM; "
              f"while busybox wget -q -O /dev/null http://{name}/; do :; done; exit 1")
    client = run(region, name, "awsvpc", script)
    service.ecs.get_waiter("tasks_running").wait(tasks=[client], WaiterConfig=QUICKLY)
    with Load(service) as load:
        service.ecs.update_service(service=name, taskDefinition=service.define(memory=72))
        service.wait()
        load.more(100)
    assert load.failed == []
    service.ecs.stop_task(task=client)
    ended_well(region, client)
    after = service.tasks()
    assert len(after) == 3 and not before & after


@pytest.mark.parametrize("protocol", [None, "http2", "grpc"])
def test_what_is_not_http_is_carried_as_connections(service, protocol):
    service = service(network="bridge", count=1, protocol=protocol)
    with socket.create_connection((service.node(), 80), timeout=60) as it:
        # No balancer of requests would pass this on.
        it.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert it.recv(4096).startswith(b"HTTP/1.1 200 OK")


def test_a_stopped_task_leaves_the_endpoint_first(service, name):
    service = service(count=2)
    with Load(service) as load:
        for task in service.tasks():
            answer = service.ecs.stop_task(task=task)["task"]
            assert (answer["desiredStatus"], answer["lastStatus"]) == ("STOPPED", "DEACTIVATING")
            service.wait()
        load.more(50)
    assert load.failed == []


def test_a_service_shows_its_configuration_and_its_name_goes_with_it(region, namespace, service, name):
    service = service(count=1)
    shown = service.ecs.describe_services(services=[name])["services"][0]
    assert shown["deployments"][0]["serviceConnectConfiguration"] == service.configuration(namespace)
    arns = service.ecs.list_services_by_namespace(namespace=namespace)["serviceArns"]
    assert [it for it in arns if it.endswith(f"/{name}")] == [shown["serviceArn"]]
    service.ecs.update_service(service=name, serviceConnectConfiguration={"enabled": False})
    assert ask(region, name)[1] == []


def test_what_cannot_be_is_refused_with_a_reason(region, namespace, service, name):
    service = service(count=1)
    ecs, usual = service.ecs, service.configuration(namespace)
    asked = {"serviceName": f"{name}-other", "taskDefinition": name, "desiredCount": 1,
             **awsvpc(region, "awsvpc")}
    for change, code, words in [
        ({}, "InvalidParameterException", f"{name}:80 is in use"),
        ({"namespace": "nowhere"}, "NamespaceNotFoundException", "nowhere"),
        ({"logConfiguration": {"logDriver": "awslogs"}}, "UnsupportedFeatureException", "Log"),
        ({"services": [{"portName": "x"}]}, "InvalidParameterException", "portName(x)"),
    ]:
        with pytest.raises(ClientError) as refused:
            ecs.create_service(**asked, serviceConnectConfiguration=usual | change)
        error = refused.value.response["Error"]
        assert error["Code"] == code and words in error["Message"], error
    namespaces = region.client("servicediscovery")
    found = next(it for it in namespaces.list_namespaces()["Namespaces"] if it["Name"] == namespace)
    with pytest.raises(ClientError) as refused:
        namespaces.delete_namespace(Id=found["Id"])
    assert refused.value.response["Error"]["Code"] == "ResourceInUse"
