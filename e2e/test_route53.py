"""Route 53 as boto3 and the command line drive it: zones, record sets, aliases, tags."""

import json

import pytest
from botocore.exceptions import ClientError


@pytest.fixture(scope="module")
def route53(region):
    return region.client("route53")


@pytest.fixture
def zone(route53, name):
    made = route53.create_hosted_zone(Name=f"{name}.example.com", CallerReference=name)
    assert len(made["DelegationSet"]["NameServers"]) == 4
    assert made["Location"].endswith(made["HostedZone"]["Id"])
    return made["HostedZone"]["Id"].removeprefix("/hostedzone/")


def change(route53, zone, *changes):
    return route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch={"Changes": [
        {"Action": action, "ResourceRecordSet": {"Name": name, "Type": kind, **rest}}
        for action, name, kind, rest in changes]})["ChangeInfo"]


def values(*texts, ttl=60):
    return {"TTL": ttl, "ResourceRecords": [{"Value": it} for it in texts]}


def test_records_are_made_listed_changed_and_deleted(region, route53, zone, name):
    base = f"{name}.example.com."
    info = change(route53, zone,
                  ("CREATE", f"www.{base}", "A", values("10.0.0.1", "10.0.0.2")),
                  ("UPSERT", f"*.{base}", "CNAME", values(f"www.{base}")),
                  ("CREATE", f"t.{base}", "TXT", values('"a" "b"')))
    assert info["Status"] == "INSYNC"
    assert f"hostedzone/{zone}" in region.landfall("audit", "--json").stdout
    route53.get_waiter("resource_record_sets_changed").wait(Id=info["Id"])
    pages = route53.get_paginator("list_resource_record_sets").paginate(
        HostedZoneId=zone, PaginationConfig={"PageSize": 2})
    found = [(it["Name"], it["Type"]) for page in pages for it in page["ResourceRecordSets"]]
    assert found == [(base, "NS"), (base, "SOA"), (f"\\052.{base}", "CNAME"), (f"t.{base}", "TXT"),
                     (f"www.{base}", "A")]
    with pytest.raises(ClientError) as caught:
        change(route53, zone, ("CREATE", f"www.{base}", "A", values("10.0.0.1")))
    error = caught.value.response["Error"]
    assert error["Code"] == "InvalidChangeBatch"
    assert error["Message"] == (f"[Tried to create resource record set [name='www.{base}', "
                                "type='A'] but it already exists]")
    with pytest.raises(route53.exceptions.HostedZoneNotEmpty):
        route53.delete_hosted_zone(Id=zone)
    change(route53, zone,
           ("DELETE", f"www.{base}", "A", values("10.0.0.2", "10.0.0.1")),
           ("DELETE", f"*.{base}", "CNAME", values(f"www.{base}")),
           ("DELETE", f"t.{base}", "TXT", values('"a" "b"')))
    route53.delete_hosted_zone(Id=zone)
    with pytest.raises(route53.exceptions.NoSuchHostedZone):
        route53.get_hosted_zone(Id=zone)


def test_a_reference_makes_one_zone(route53, zone, name):
    with pytest.raises(route53.exceptions.HostedZoneAlreadyExists):
        route53.create_hosted_zone(Name="other.com", CallerReference=name)
    found = route53.list_hosted_zones_by_name(DNSName=f"{name}.example.com", MaxItems="1")
    assert found["HostedZones"][0]["Id"] == f"/hostedzone/{zone}"
    every = route53.get_paginator("list_hosted_zones").paginate(PaginationConfig={"PageSize": 1})
    assert f"/hostedzone/{zone}" in [it["Id"] for page in every for it in page["HostedZones"]]
    route53.delete_hosted_zone(Id=zone)


def test_an_alias_names_a_load_balancer(region, route53, zone, name):
    ec2, elb = region.client("ec2"), region.client("elbv2")
    subnets = [it["SubnetId"] for it in ec2.describe_subnets()["Subnets"]]
    lb = elb.create_load_balancer(Name=name, Subnets=subnets)["LoadBalancers"][0]
    target = {"HostedZoneId": lb["CanonicalHostedZoneId"], "DNSName": lb["DNSName"],
              "EvaluateTargetHealth": True}
    change(route53, zone, ("CREATE", f"{name}.example.com", "A", {"AliasTarget": target}))
    found = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"][0]
    assert found["AliasTarget"]["DNSName"] == lb["DNSName"].lower() + "."
    missing = {**target, "DNSName": "no-1.us-east-1.elb.amazonaws.com"}
    with pytest.raises(route53.exceptions.InvalidChangeBatch):
        change(route53, zone, ("CREATE", f"a.{name}.example.com", "A", {"AliasTarget": missing}))
    elb.delete_load_balancer(LoadBalancerArn=lb["LoadBalancerArn"])


def test_private_zones_and_tags(region, route53, name):
    vpc = region.client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
    made = route53.create_hosted_zone(Name="inside.test", CallerReference=name, VPC={
        "VPCId": vpc, "VPCRegion": "us-east-1"})
    zone = made["HostedZone"]["Id"].removeprefix("/hostedzone/")
    assert made["HostedZone"]["Config"]["PrivateZone"] and "DelegationSet" not in made
    assert route53.get_hosted_zone(Id=zone)["VPCs"][0]["VPCId"] == vpc
    route53.change_tags_for_resource(
        ResourceType="hostedzone", ResourceId=zone, AddTags=[{"Key": "a", "Value": "1"}])
    found = route53.list_tags_for_resource(ResourceType="hostedzone", ResourceId=zone)
    assert found["ResourceTagSet"]["Tags"] == [{"Key": "a", "Value": "1"}]
    route53.delete_hosted_zone(Id=zone)
    with pytest.raises(route53.exceptions.InvalidVPCId):
        route53.create_hosted_zone(Name="x.test", CallerReference=f"{name}-x", VPC={
            "VPCId": "vpc-1", "VPCRegion": "us-east-1"})


def test_the_command_line_lists_zones(region, zone):
    listed = json.loads(region.aws("aws route53 list-hosted-zones").stdout)
    assert f"/hostedzone/{zone}" in [it["Id"] for it in listed["HostedZones"]]
    region.aws(f"aws route53 delete-hosted-zone --id {zone}")
