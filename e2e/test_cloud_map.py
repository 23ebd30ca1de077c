"""AWS Cloud Map as boto3, the command line and Terraform drive it, and its names in DNS."""

import json
import os
import socket
import struct

import pytest

import image
import name_server
from conftest import runs_containers
from region import Region
from terraform import Terraform
from until import QUICKLY, until

STACK = """
terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}

provider "aws" {
  region                  = "us-east-1"
  skip_metadata_api_check = true
}

variable "name" { type = string }

data "aws_vpc" "default" { default = true }

resource "aws_service_discovery_private_dns_namespace" "local" {
  name        = "${var.name}.local"
  description = "for services"
  vpc         = data.aws_vpc.default.id
  tags        = { team = "blue" }
}

resource "aws_service_discovery_public_dns_namespace" "public" {
  name = "${var.name}.example.com"
}

resource "aws_service_discovery_http_namespace" "shop" {
  name = "${var.name}-shop"
}

resource "aws_service_discovery_service" "web" {
  name = "web"
  dns_config {
    namespace_id   = aws_service_discovery_private_dns_namespace.local.id
    routing_policy = "MULTIVALUE"
    dns_records {
      ttl  = 10
      type = "A"
    }
    dns_records {
      ttl  = 10
      type = "AAAA"
    }
  }
  health_check_custom_config {
    failure_threshold = 1
  }
  tags = { team = "blue" }
}

resource "aws_service_discovery_service" "backend" {
  name        = "backend"
  description = "ports too"
  dns_config {
    namespace_id = aws_service_discovery_private_dns_namespace.local.id
    dns_records {
      ttl  = 5
      type = "SRV"
    }
  }
}

resource "aws_service_discovery_service" "cart" {
  name         = "cart"
  namespace_id = aws_service_discovery_http_namespace.shop.id
}

resource "aws_service_discovery_instance" "one" {
  instance_id = "one"
  service_id  = aws_service_discovery_service.backend.id
  attributes = {
    AWS_INSTANCE_IPV4 = "172.31.16.9"
    AWS_INSTANCE_PORT = "8080"
    version           = "1"
  }
}

output "zone" { value = aws_service_discovery_private_dns_namespace.local.hosted_zone }
"""


@pytest.fixture(scope="module")
def cloud_map(region):
    return client_of(region)


def client_of(region):
    """A client that asks where it is told to: DiscoverInstances has another host otherwise."""
    return region.client("servicediscovery", inject_host_prefix=False)


def vpc(region):
    return region.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]


def private(region, name):
    """Makes a private namespace; gives its id."""
    client = client_of(region)
    made = client.create_private_dns_namespace(Name=name, Vpc=vpc(region))
    operation = client.get_operation(OperationId=made["OperationId"])["Operation"]
    assert (operation["Status"], operation["Type"]) == ("SUCCESS", "CREATE_NAMESPACE")
    return operation["Targets"]["NAMESPACE"]


def service(client, namespace, name, *kinds, **settings):
    """Makes a service with custom health; gives its id."""
    if kinds:
        settings["DnsConfig"] = {"DnsRecords": [{"Type": it, "TTL": 10} for it in kinds]}
    return client.create_service(Name=name, NamespaceId=namespace, HealthCheckCustomConfig={},
                                 **settings)["Service"]["Id"]


def register(client, service, instance, **attributes):
    return client.register_instance(
        ServiceId=service, InstanceId=instance,
        Attributes={f"AWS_INSTANCE_{key}": it for key, it in attributes.items()})["OperationId"]


def clear(client, namespace):
    """Takes away a namespace and all that is in it."""
    filters = [{"Name": "NAMESPACE_ID", "Values": [namespace]}]
    for it in client.list_services(Filters=filters)["Services"]:
        for one in client.list_instances(ServiceId=it["Id"])["Instances"]:
            client.deregister_instance(ServiceId=it["Id"], InstanceId=one["Id"])
        client.delete_service(Id=it["Id"])
    client.delete_namespace(Id=namespace)


def test_a_namespace_is_a_hosted_zone_that_it_alone_manages(region, cloud_map, name):
    namespace = private(region, f"{name}.local")
    shown = cloud_map.get_namespace(Id=namespace)["Namespace"]
    assert shown["Type"] == "DNS_PRIVATE" and shown["Arn"].endswith(f":namespace/{namespace}")
    zone = shown["Properties"]["DnsProperties"]["HostedZoneId"]
    route53 = region.client("route53")
    found = route53.get_hosted_zone(Id=zone)["HostedZone"]
    assert found["Name"] == f"{name}.local." and found["Config"]["PrivateZone"]
    assert found["LinkedService"] == {
        "ServicePrincipal": "servicediscovery.amazonaws.com", "Description": shown["Arn"]}
    with pytest.raises(route53.exceptions.ClientError) as caught:
        route53.delete_hosted_zone(Id=zone)
    assert caught.value.response["Error"]["Code"] == "AccessDenied"
    assert shown["Arn"] in caught.value.response["Error"]["Message"]
    assert shown["Arn"] in region.landfall("audit", "--json").stdout
    cloud_map.delete_namespace(Id=namespace)
    with pytest.raises(route53.exceptions.NoSuchHostedZone):
        route53.get_hosted_zone(Id=zone)
    with pytest.raises(cloud_map.exceptions.NamespaceNotFound):
        cloud_map.get_namespace(Id=namespace)


def test_what_stands_in_the_way_is_told_and_repeats_are_known(cloud_map, name):
    client, made = cloud_map, f"{name}-shop"
    first = client.create_http_namespace(Name=made, CreatorRequestId="once")
    assert client.create_http_namespace(Name=made, CreatorRequestId="once")["OperationId"] == \
        first["OperationId"]
    operation = client.get_operation(OperationId=first["OperationId"])["Operation"]
    with pytest.raises(client.exceptions.NamespaceAlreadyExists) as caught:
        client.create_http_namespace(Name=made)
    assert caught.value.response["NamespaceId"] == operation["Targets"]["NAMESPACE"]
    assert caught.value.response["CreatorRequestId"] == "once"
    assert caught.value.response["Error"]["Message"] == "Namespace already exists."
    with pytest.raises(client.exceptions.InvalidInput) as caught:
        client.create_service(Name="-", NamespaceId=operation["Targets"]["NAMESPACE"])
    assert "validation error" in caught.value.response["Error"]["Message"]
    client.delete_namespace(Id=operation["Targets"]["NAMESPACE"])


def test_instances_are_registered_discovered_and_deregistered(region, cloud_map, name):
    namespace = private(region, f"{name}.local")
    web = service(cloud_map, namespace, "web", "A")
    for number in range(3):
        done = register(cloud_map, web, f"i-{number}", IPV4=f"10.0.0.{number}")
        operation = cloud_map.get_operation(OperationId=done)["Operation"]
        assert operation["Targets"] == {"INSTANCE": f"i-{number}", "SERVICE": web}
    cloud_map.update_instance_custom_health_status(
        ServiceId=web, InstanceId="i-2", Status="UNHEALTHY")
    told = cloud_map.get_instances_health_status(ServiceId=web)["Status"]
    assert told == {"i-0": "HEALTHY", "i-1": "HEALTHY", "i-2": "UNHEALTHY"}

    def discovered(**settings):
        found = cloud_map.discover_instances(
            NamespaceName=f"{name}.local", ServiceName="web", **settings)
        revision = cloud_map.discover_instances_revision(
            NamespaceName=f"{name}.local", ServiceName="web")
        assert found["InstancesRevision"] == revision["InstancesRevision"] >= 4
        return sorted(it["InstanceId"] for it in found["Instances"])

    assert discovered() == ["i-0", "i-1", "i-2"]
    assert discovered(HealthStatus="HEALTHY") == ["i-0", "i-1"]
    assert discovered(QueryParameters={"AWS_INSTANCE_IPV4": "10.0.0.1"}) == ["i-1"]
    with pytest.raises(cloud_map.exceptions.ResourceInUse):
        cloud_map.delete_service(Id=web)
    with pytest.raises(cloud_map.exceptions.ResourceInUse):
        cloud_map.delete_namespace(Id=namespace)
    pages = cloud_map.get_paginator("list_instances").paginate(
        ServiceId=web, PaginationConfig={"PageSize": 2})
    assert [it["Id"] for page in pages for it in page["Instances"]] == ["i-0", "i-1", "i-2"]
    clear(cloud_map, namespace)
    with pytest.raises(cloud_map.exceptions.ServiceNotFound):
        cloud_map.get_service(Id=web)


def test_a_namespace_outlives_a_kill(tmp_path):
    region = Region(data=str(tmp_path / "data")).start()
    try:
        namespace = private(region, "corp.local")
        web = service(client_of(region), namespace, "web", "A")
        done = register(client_of(region), web, "i-1", IPV4="10.0.0.1")
        region.kill()
        region.start()
        client = client_of(region)
        assert client.get_operation(OperationId=done)["Operation"]["Status"] == "SUCCESS"
        found = client.discover_instances(NamespaceName="corp.local", ServiceName="web")
        assert [it["InstanceId"] for it in found["Instances"]] == ["i-1"]
        assert client.get_namespace(Id=namespace)["Namespace"]["ServiceCount"] == 1
    finally:
        region.down()


def test_terraform_makes_namespaces_services_and_instances(region, cloud_map, tmp_path, name):
    terraform = Terraform(tmp_path, region, STACK, name=name)
    terraform.apply()
    found = cloud_map.discover_instances(NamespaceName=f"{name}.local", ServiceName="backend")
    assert [it["InstanceId"] for it in found["Instances"]] == ["one"]
    terraform.destroy()
    left = [it["Name"] for it in cloud_map.list_namespaces()["Namespaces"]]
    assert not [it for it in left if it.startswith(name)]


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """A region on this machine with one instance, and the test image in it."""
    if not runs_containers():
        pytest.skip("a region's network needs root and a binary that makes it")
    it = Region("--instances", "1", command="up").start()
    try:
        until(lambda: it.connected() == 1, 60, what="one instance")
        if image.busybox():
            archive = image.archive(tmp_path_factory.mktemp("image") / "image.tar")
            it.landfall("image", "load", str(archive))
        yield it
    finally:
        it.down()


@pytest.fixture
def backend(named, name):
    """A private namespace with a service `web` (A) and a service `backend` (SRV)."""
    client = client_of(named)
    namespace = private(named, f"{name}.local")
    made = {"web": service(client, namespace, "web", "A"),
            "backend": service(client, namespace, "backend", "SRV"), "zone": f"{name}.local"}
    yield made
    clear(client, namespace)


def ports(region, name):
    """What SRV records of a name say: code, then port and target of each."""
    labels = b"".join(bytes([len(it)]) + it.encode() for it in name.split(".")) + b"\0"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as it:
        it.settimeout(60)
        it.sendto(struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0) + labels + struct.pack(">2H", 33, 1),
                  (name_server.server(region), 53))
        answer = it.recv(4096)
    found, at = [], 12 + len(labels) + 4
    for _ in range(struct.unpack(">H", answer[6:8])[0]):
        # The owner is a pointer to the question; type, class and time follow it.
        size = struct.unpack(">H", answer[at + 10:at + 12])[0]
        priority, weight, port = struct.unpack(">3H", answer[at + 12:at + 18])
        assert (priority, weight) == (1, 1)
        target, place = [], at + 18
        while answer[place] and answer[place] & 0xC0 != 0xC0:
            target.append(answer[place + 1:place + 1 + answer[place]].decode())
            place += 1 + answer[place]
        found.append((port, target[0]))
        at += 12 + size
    return answer[3] & 15, sorted(found)


def test_names_are_healthy_instances_once_that_is_answered(named, backend):
    client, web = client_of(named), f"web.{backend['zone']}"
    assert name_server.ask(named, web) == (3, [])
    for number in (1, 2):
        register(client, backend["web"], f"i-{number}", IPV4=f"192.0.2.{number}")
    assert name_server.ask(named, web) == (0, ["192.0.2.1", "192.0.2.2"])
    assert name_server.ask(named, web, kind=28) == (0, [])
    client.update_instance_custom_health_status(
        ServiceId=backend["web"], InstanceId="i-1", Status="UNHEALTHY")
    assert name_server.ask(named, web) == (0, ["192.0.2.2"])
    client.update_instance_custom_health_status(
        ServiceId=backend["web"], InstanceId="i-2", Status="UNHEALTHY")
    # With none that is healthy, all are as good as each other.
    assert name_server.ask(named, web) == (0, ["192.0.2.1", "192.0.2.2"])
    client.deregister_instance(ServiceId=backend["web"], InstanceId="i-2")
    assert name_server.ask(named, web) == (0, ["192.0.2.1"])

    register(client, backend["backend"], "T-1", IPV4="192.0.2.7", PORT="8080")
    assert ports(named, f"backend.{backend['zone']}") == (0, [(8080, "T-1")])
    assert name_server.ask(named, f"t-1.backend.{backend['zone']}") == (0, ["192.0.2.7"])


def test_the_command_line_discovers_instances_without_a_setting(named, backend):
    register(client_of(named), backend["web"], "i-1", IPV4="192.0.2.1")
    command = (f"aws servicediscovery discover-instances --namespace-name {backend['zone']} "
               "--service-name web")

    def discovered():
        # The machine learns the host that the command line makes of the endpoint from its hosts file.
        done = named.aws(command, check=False)
        return done.returncode == 0 and json.loads(done.stdout)["Instances"]

    assert [it["InstanceId"] for it in until(discovered, 20, what="an answer")] == ["i-1"]


def test_an_answer_has_eight_of_many_instances(named, backend):
    client = client_of(named)
    every = {f"192.0.2.{number}" for number in range(20)}
    for number, address in enumerate(sorted(every)):
        register(client, backend["web"], f"i-{number}", IPV4=address)
    seen = set()

    def more():
        code, addresses = name_server.ask(named, f"web.{backend['zone']}")
        assert code == 0 and len(set(addresses)) == 8
        seen.update(addresses)
        return seen == every

    until(more, 60, what="each instance was in an answer")


@pytest.mark.skipif(not image.busybox(), reason="no busybox on this machine")
@pytest.mark.parametrize("mode", ["bridge", "awsvpc", "host"])
def test_a_task_finds_a_service_by_its_name(named, backend, mode):
    register(client_of(named), backend["web"], "i-1", IPV4="192.0.2.55")
    ecs, launch = named.client(), {}
    if mode == "awsvpc":
        subnets = named.client("ec2").describe_subnets()["Subnets"]
        launch = {"networkConfiguration": {"awsvpcConfiguration": {
            "subnets": [it["SubnetId"] for it in subnets]}}}
    script = f"busybox nslookup web.{backend['zone']} | busybox grep -q 192.0.2.55"
    definition = ecs.register_task_definition(
        family=f"found-{os.getpid()}-{mode}", networkMode=mode, containerDefinitions=[{
            "name": "main", "image": image.NAME, "memory": 64, "command": ["sh", "-c", script]}],
    )["taskDefinition"]["taskDefinitionArn"]
    answer = ecs.run_task(taskDefinition=definition, **launch)
    assert not answer["failures"], answer["failures"]
    arn = answer["tasks"][0]["taskArn"]

    def over():
        found = ecs.describe_tasks(tasks=[arn])["tasks"][0]
        return found["lastStatus"] == "STOPPED" and found

    found = until(over, 60, what="STOPPED")
    assert found["containers"][0].get("exitCode") == 0, json.dumps(found, default=str, indent=1)


@pytest.fixture
def served(named, backend, name):
    """Makes services of tasks that are found by their registries; none is left."""
    ecs, made = named.client(), []

    def make(mode, into, count, **settings):
        definition = ecs.register_task_definition(
            family=f"{name}-{mode}", networkMode=mode, containerDefinitions=[{
                "name": "web", "image": "landfall/demo", "command": ["web", "8080"], "memory": 32,
                "portMappings": [{"containerPort": 8080}]}])["taskDefinition"]["taskDefinitionArn"]
        arn = client_of(named).get_service(Id=backend[into])["Service"]["Arn"]
        ecs.create_service(
            serviceName=f"{name}-{mode}", taskDefinition=definition, desiredCount=count,
            serviceRegistries=[{"registryArn": arn, **settings.pop("registry", {})}], **settings)
        made.append(f"{name}-{mode}")
        ecs.get_waiter("services_stable").wait(services=made[-1:], WaiterConfig=QUICKLY)
        return made[-1]

    yield make
    for it in made:
        ecs.delete_service(service=it, force=True)
        ecs.get_waiter("services_inactive").wait(services=[it], WaiterConfig=QUICKLY)

    def left():
        listed = [client_of(named).list_instances(ServiceId=backend[it])["Instances"]
                  for it in ("web", "backend")]
        return any(listed)

    until(lambda: not left(), 60, what="no task is found any more")


def running(region, service):
    """Tasks of a service that run and are to go on."""
    ecs = region.client()
    arns = ecs.list_tasks(serviceName=service, desiredStatus="RUNNING")["taskArns"]
    return ecs.describe_tasks(tasks=arns)["tasks"] if arns else []


def addresses(tasks):
    details = [it for task in tasks for one in task["attachments"] for it in one["details"]]
    return sorted(it["value"] for it in details if it["name"] == "privateIPv4Address")


def test_tasks_of_a_service_are_found_by_name_while_they_run(named, backend, served):
    subnets = [it["SubnetId"] for it in named.client("ec2").describe_subnets()["Subnets"]]
    service = served("awsvpc", "web", 2, networkConfiguration={
        "awsvpcConfiguration": {"subnets": subnets}})
    web, ecs = f"web.{backend['zone']}", named.client()
    own = addresses(running(named, service))
    assert len(own) == 2
    until(lambda: name_server.ask(named, web) == (0, own), 60, what="both are found")
    found = client_of(named).discover_instances(
        NamespaceName=backend["zone"], ServiceName="web")["Instances"]
    assert {it["Attributes"]["ECS_SERVICE_NAME"] for it in found} == {service}
    assert {it["HealthStatus"] for it in found} == {"HEALTHY"}
    ids = {it["taskArn"].rsplit("/", 1)[1] for it in running(named, service)}
    assert {it["InstanceId"] for it in found} == ids

    ecs.update_service(service=service, desiredCount=1)
    until(lambda: len(addresses(running(named, service))) == 1, 60, what="one task")
    left = addresses(running(named, service))
    until(lambda: name_server.ask(named, web) == (0, left), 60, what="one is found")
    ecs.update_service(service=service, desiredCount=0)
    until(lambda: name_server.ask(named, web) == (3, []), 60, what="none is found")


def test_tasks_on_a_bridge_are_found_with_their_host_ports(named, backend, served):
    service = served("bridge", "backend", 2,
                     registry={"containerName": "web", "containerPort": 8080})
    tasks = running(named, service)
    bindings = [it for task in tasks for one in task["containers"] for it in one["networkBindings"]]
    own = sorted(it["hostPort"] for it in bindings)
    name = f"backend.{backend['zone']}"
    until(lambda: [port for port, _ in ports(named, name)[1]] == own, 60, what="both are found")
    for _, instance in ports(named, name)[1]:
        code, where = name_server.ask(named, f"{instance}.{name}")
        assert code == 0 and len(where) == 1
