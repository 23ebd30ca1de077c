"""Names of load balancers and of hosted zones: on the machine, and in tasks of every network mode."""

import json
import os
import subprocess
from pathlib import Path

import pytest

import image
from conftest import runs_containers
from name_server import ask
from region import Region
from until import until

SHELL = pytest.mark.skipif(not image.busybox(), reason="no busybox on this machine")
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="a region's network needs root")
HOSTS = Path("/etc/hosts")


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


@pytest.fixture(scope="module")
def balancer(named):
    """A load balancer: its name and its addresses."""
    subnets = [it["SubnetId"] for it in named.client("ec2").describe_subnets()["Subnets"]]
    elbv2 = named.client("elbv2")
    made = elbv2.create_load_balancer(Name="named", Subnets=subnets)["LoadBalancers"][0]
    yield made["DNSName"]
    elbv2.delete_load_balancer(LoadBalancerArn=made["LoadBalancerArn"])


def on_machine(name):
    """What a program of the machine finds."""
    found = subprocess.run(["getent", "ahostsv4", name], capture_output=True, text=True)
    return sorted({line.split()[0] for line in found.stdout.splitlines()})


def test_a_load_balancer_is_found_by_name_on_the_machine(named, balancer):
    code, addresses = ask(named, balancer)
    assert code == 0 and addresses
    until(lambda: on_machine(balancer) == addresses, 20, what="the hosts file tells it")


def test_a_load_balancer_has_no_address_of_another_family(named, balancer):
    assert ask(named, balancer, kind=28) == (0, [])


@SHELL
@pytest.mark.parametrize("mode", ["bridge", "awsvpc", "host"])
def test_a_load_balancer_is_found_by_name_in_tasks(named, balancer, mode):
    ecs = named.client()
    _, addresses = ask(named, balancer)
    assert addresses
    # Its exit says whether each address of the load balancer is in the answer.
    checks = " && ".join(f"echo \"$found\" | busybox grep -q '{it}'" for it in addresses)
    script = f"found=$(busybox nslookup {balancer}); {checks}"
    settings = {"networkMode": mode}
    launch = {}
    if mode == "awsvpc":
        subnets = named.client("ec2").describe_subnets()["Subnets"]
        launch = {"networkConfiguration": {"awsvpcConfiguration": {
            "subnets": [it["SubnetId"] for it in subnets]}}}
    definition = ecs.register_task_definition(
        family=f"names-{os.getpid()}-{mode}", **settings, containerDefinitions=[{
            "name": "main", "image": image.NAME, "memory": 64, "command": ["sh", "-c", script]}],
    )["taskDefinition"]["taskDefinitionArn"]
    answer = ecs.run_task(taskDefinition=definition, **launch)
    assert not answer["failures"], answer["failures"]
    arn = answer["tasks"][0]["taskArn"]

    def over():
        found = ecs.describe_tasks(tasks=[arn])["tasks"][0]
        return found["lastStatus"] == "STOPPED" and found

    over = until(over, 60, what="STOPPED")
    assert over["containers"][0].get("exitCode") == 0, json.dumps(over, default=str, indent=1)


@SHELL
def test_name_servers_of_the_task_definition_come_first(named):
    ecs = named.client()
    script = ("busybox grep -qx 'nameserver 192.0.2.53' /etc/resolv.conf && "
              "busybox grep -qx 'search example.com' /etc/resolv.conf && "
              "test $(busybox grep -c nameserver /etc/resolv.conf) = 1")
    definition = ecs.register_task_definition(
        family=f"names-{os.getpid()}-own", networkMode="bridge", containerDefinitions=[{
            "name": "main", "image": image.NAME, "memory": 64, "command": ["sh", "-c", script],
            "dnsServers": ["192.0.2.53"], "dnsSearchDomains": ["example.com"]}],
    )["taskDefinition"]["taskDefinitionArn"]
    arn = ecs.run_task(taskDefinition=definition)["tasks"][0]["taskArn"]

    def over():
        found = ecs.describe_tasks(tasks=[arn])["tasks"][0]
        return found["lastStatus"] == "STOPPED" and found

    assert until(over, 60, what="STOPPED")["containers"][0].get("exitCode") == 0


def test_records_of_hosted_zones_are_answered(named, balancer):
    route53 = named.client("route53")
    zone = route53.create_hosted_zone(
        Name="names.test", CallerReference=str(os.getpid()))["HostedZone"]["Id"]
    elb_zone = named.client("elbv2").describe_load_balancers()["LoadBalancers"][0][
        "CanonicalHostedZoneId"]
    sets = [
        {"Name": "www.names.test", "Type": "A", "TTL": 30,
         "ResourceRecords": [{"Value": "192.0.2.10"}]},
        {"Name": "*.names.test", "Type": "A", "TTL": 30,
         "ResourceRecords": [{"Value": "192.0.2.11"}]},
        {"Name": "app.names.test", "Type": "A", "AliasTarget": {
            "HostedZoneId": elb_zone, "DNSName": balancer, "EvaluateTargetHealth": False}},
    ]

    def change(action):
        route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={
            "Changes": [{"Action": action, "ResourceRecordSet": it} for it in sets]})

    change("CREATE")
    assert ask(named, "www.names.test") == (0, ["192.0.2.10"])
    assert ask(named, "other.names.test") == (0, ["192.0.2.11"])
    assert ask(named, "app.names.test") == ask(named, balancer)
    assert ask(named, "WWW.Names.TEST") == (0, ["192.0.2.10"])
    until(lambda: on_machine("www.names.test") == ["192.0.2.10"], 20, what="the hosts file tells it")
    change("DELETE")
    assert ask(named, "www.names.test") == (3, [])
    route53.delete_hosted_zone(Id=zone)


@ROOT
def test_the_hosts_file_is_as_before_after_ctrl_c_and_after_a_kill(tmp_path):
    hosts = tmp_path / "hosts"
    before = b"127.0.0.1 localhost\n# mine\n"
    hosts.write_bytes(before)
    region = Region("--instances", "0", "--hosts-file", str(hosts), command="up").start()
    try:
        subnets = [it["SubnetId"] for it in region.client("ec2").describe_subnets()["Subnets"]]
        made = region.client("elbv2").create_load_balancer(Name="named", Subnets=subnets)
        name = made["LoadBalancers"][0]["DNSName"].encode()
        until(lambda: name in hosts.read_bytes(), 20, what="the block")
        assert hosts.read_bytes().startswith(before)
        region.stop()
        assert hosts.read_bytes() == before

        region.start()
        until(lambda: name in hosts.read_bytes(), 20, what="the block is back")
        region.kill()
        assert name in hosts.read_bytes()
        region.landfall("down")
        assert hosts.read_bytes() == before
    finally:
        region.down()


@ROOT
def test_nothing_of_a_region_is_left_in_the_hosts_file_of_the_machine():
    before = HOSTS.read_bytes()
    region = Region("--instances", "0", command="up").start()
    try:
        subnets = [it["SubnetId"] for it in region.client("ec2").describe_subnets()["Subnets"]]
        made = region.client("elbv2").create_load_balancer(Name="left", Subnets=subnets)
        name = made["LoadBalancers"][0]["DNSName"].encode()
        until(lambda: name in HOSTS.read_bytes(), 20, what="the block")
    finally:
        region.down()
    assert name not in HOSTS.read_bytes()
    assert before.splitlines()[:1] == HOSTS.read_bytes().splitlines()[:1]
