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

ZONE = "service-connect.internal"
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


def id_of(region, namespace):
    """The id of the namespace of that name."""
    every = region.client("servicediscovery").list_namespaces()["Namespaces"]
    return next(it["Id"] for it in every if it["Name"] == namespace)


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
        self.network, self.namespace = network, namespace
        mapping = {"name": "web", "containerPort": PORT}
        self.container = {
            "name": "web", "image": "landfall/demo", "cpu": 64, "memory": 64,
            "command": ["web", str(PORT)],
            "portMappings": [mapping | ({"appProtocol": protocol} if protocol else {})]}
        short = {"own": name, "default": None}.get(alias, alias)
        self.named = {"dnsName": short} if short else {}
        # What anybody in the region may ask for, and tasks of the namespace without its end.
        self.alias = f"{short or f'{name}.{namespace}'}.{id_of(region, namespace)}.{ZONE}"
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
    """Makes services of the name of the test, or others that are named; none is left."""
    made = []

    def make(namespace=namespace, called=name, **settings):
        made.append(Service(region, namespace, called, **settings))
        return made[-1]

    yield make
    for it in made:
        it.end()


@pytest.fixture
def client(region, name):
    """Makes services of one task that runs a script and takes part in a namespace; none is left."""
    ecs, made = region.client(), []

    def make(namespace, network, script):
        called = f"{name}-{network}-{len(made)}"
        made.append(called)
        definition = ecs.register_task_definition(
            family=called, networkMode=network, containerDefinitions=[{
                "name": "main", "image": image.NAME, "memory": 64,
                "command": ["sh", "-c", script]}])["taskDefinition"]["taskDefinitionArn"]
        ecs.create_service(
            serviceName=called, taskDefinition=definition, desiredCount=1,
            serviceConnectConfiguration={"enabled": True, "namespace": namespace},
            **awsvpc(region, network))
        return called

    yield make
    for it in made:
        ecs.delete_service(service=it, force=True)
        ecs.get_waiter("services_inactive").wait(services=[it], WaiterConfig=QUICKLY)


def exit_codes(region, service):
    """How tasks of a service have ended."""
    ecs = region.client()
    arns = ecs.list_tasks(serviceName=service, desiredStatus="STOPPED")["taskArns"]
    every = ecs.describe_tasks(tasks=arns)["tasks"] if arns else []
    return {it["containers"][0].get("exitCode") for it in every if it["lastStatus"] == "STOPPED"}


@pytest.fixture
def bank(region, name):
    """The name of another namespace, which nobody uses once the test is over."""
    made = region.client("servicediscovery")
    made.create_http_namespace(Name=f"{name}-bank")
    yield f"{name}-bank"
    made.delete_namespace(Id=id_of(region, f"{name}-bank"))


@SHELL
@pytest.mark.parametrize("network", ["awsvpc", "bridge"])
def test_tasks_reach_the_service_of_that_alias_in_their_own_namespace(
        region, namespace, bank, service, client, name, network):
    own = {namespace: service(network=network, count=1, alias="prices.internal"),
           bank: service(bank, f"{name}-bank", network=network, count=1, alias="prices.internal")}
    assert own[namespace].node() != own[bank].node()
    script = "busybox wget -q -O - http://prices.internal/ | busybox grep -q '\"{}\"'"
    made = [client(where, mode, script.format(own[where].name))
            for where in own for mode in ["awsvpc", "bridge"]]
    for it in made:
        until(lambda: 0 in exit_codes(region, it), 60, what=f"{it} is answered by its own")
    # Who takes no part finds no such name, but that which says the namespace.
    script = (f"busybox wget -q -O - http://prices.internal/ && exit 7; "
              f"busybox wget -q -O /dev/null http://{own[bank].alias}/")
    ended_well(region, run(region, name, "bridge", script))


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


def test_without_a_name_of_its_own_an_alias_is_the_discovery_name_in_the_namespace(
        region, service):
    made = service(network="bridge", count=1, alias="default")
    assert ask(region, made.alias, kind=28) == (0, [])


@SHELL
@pytest.mark.parametrize("network", ["awsvpc", "bridge"])
def test_a_rolling_update_fails_no_request_by_the_alias(region, service, name, network):
    service = service(network=network)
    before = service.tasks()
    # Ends by itself with the first request that fails, and well when it is told to end.
    script = (f"trap 'exit 0' TERM; "
              f"while busybox wget -q -O /dev/null http://{service.alias}/; do :; done; exit 1")
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
    assert ask(region, service.alias) == (3, [])


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
    with pytest.raises(ClientError) as refused:
        namespaces.delete_namespace(Id=id_of(region, namespace))
    assert refused.value.response["Error"]["Code"] == "ResourceInUse"
