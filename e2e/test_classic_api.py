"""Classic Load Balancers as boto3 drives them: made, changed, listed in pages, tagged, deleted."""

import pytest
from botocore.exceptions import ClientError

HTTP = {"Protocol": "http", "LoadBalancerPort": 80, "InstanceProtocol": "http", "InstancePort": 3000}


@pytest.fixture(scope="module")
def elb(region):
    return region.client("elb")


@pytest.fixture(scope="module")
def subnets(region):
    return [it["SubnetId"] for it in region.client("ec2").describe_subnets()["Subnets"]]


@pytest.fixture
def classic(elb, subnets, name):
    """The name of a load balancer of the test's own; gone at the end."""
    elb.create_load_balancer(LoadBalancerName=name, Listeners=[HTTP], Subnets=subnets)
    yield name
    elb.delete_load_balancer(LoadBalancerName=name)


def described(elb, name):
    return elb.describe_load_balancers(LoadBalancerNames=[name])["LoadBalancerDescriptions"][0]


def refused(call, **ask):
    with pytest.raises(ClientError) as caught:
        call(**ask)
    error = caught.value.response
    return error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Code"], error["Error"]["Message"]


def test_a_classic_load_balancer_is_made_once_and_gone_when_deleted(elb, subnets, name):
    ask = {"LoadBalancerName": name, "Listeners": [HTTP], "Subnets": subnets,
           "Tags": [{"Key": "team", "Value": "blue"}]}
    made = elb.create_load_balancer(**ask)["DNSName"]
    assert made.startswith(f"{name}-") and made.endswith(".us-east-1.elb.amazonaws.com")
    assert elb.create_load_balancer(**ask)["DNSName"] == made
    said = f"Load Balancer named {name} already exists and it is configured with different parameters."
    assert refused(elb.create_load_balancer, **{**ask, "Scheme": "internal"}) == (
        400, "DuplicateLoadBalancerName", said)
    shown = described(elb, name)
    assert shown["DNSName"] == made and sorted(shown["Subnets"]) == sorted(subnets)
    assert shown["HealthCheck"]["Target"] == "TCP:3000"
    assert elb.describe_tags(LoadBalancerNames=[name])["TagDescriptions"][0]["Tags"] == ask["Tags"]
    for _ in range(2):
        elb.delete_load_balancer(LoadBalancerName=name)
    assert refused(elb.describe_load_balancers, LoadBalancerNames=[name]) == (
        400, "LoadBalancerNotFound", f"There is no ACTIVE Load Balancer named '{name}'")


def test_both_versions_of_the_service_are_answered_at_one_endpoint(elb, region, classic):
    listed = region.client("elbv2").describe_load_balancers()["LoadBalancers"]
    assert classic not in [it["LoadBalancerName"] for it in listed]
    assert described(elb, classic)["LoadBalancerName"] == classic


def test_a_classic_load_balancer_is_changed_in_all_its_parts(elb, region, classic, subnets, name):
    ask = {"LoadBalancerName": classic}
    arn = region.client("acm").request_certificate(DomainName=f"{name}.example.com")["CertificateArn"]
    secure = {"Protocol": "HTTPS", "LoadBalancerPort": 443, "InstancePort": 3000,
              "SSLCertificateId": arn}
    elb.create_load_balancer_listeners(**ask, Listeners=[secure])
    elb.create_lb_cookie_stickiness_policy(**ask, PolicyName="sticky", CookieExpirationPeriod=60)
    elb.create_app_cookie_stickiness_policy(**ask, PolicyName="session", CookieName="SESSION")
    elb.set_load_balancer_policies_of_listener(**ask, LoadBalancerPort=80, PolicyNames=["sticky"])
    check = {"Target": "HTTP:3000/health", "Interval": 10, "Timeout": 2, "UnhealthyThreshold": 2,
             "HealthyThreshold": 2}
    assert elb.configure_health_check(**ask, HealthCheck=check)["HealthCheck"] == check
    changed = {"ConnectionDraining": {"Enabled": True, "Timeout": 20},
               "ConnectionSettings": {"IdleTimeout": 30}, "CrossZoneLoadBalancing": {"Enabled": True}}
    elb.modify_load_balancer_attributes(**ask, LoadBalancerAttributes=changed)
    shown = elb.describe_load_balancer_attributes(**ask)["LoadBalancerAttributes"]
    assert {key: shown[key] for key in changed} == changed
    left = elb.detach_load_balancer_from_subnets(**ask, Subnets=subnets[:1])["Subnets"]
    assert sorted(left) == sorted(subnets[1:])

    shown = described(elb, classic)
    ports = {it["Listener"]["LoadBalancerPort"]: it for it in shown["ListenerDescriptions"]}
    assert ports[80]["PolicyNames"] == ["sticky"]
    assert ports[443]["PolicyNames"] == ["ELBSecurityPolicy-2016-08"]
    assert ports[443]["Listener"]["SSLCertificateId"] == arn
    assert shown["HealthCheck"] == check
    assert shown["Policies"]["AppCookieStickinessPolicies"] == [
        {"PolicyName": "session", "CookieName": "SESSION"}]
    status, code, _ = refused(elb.delete_load_balancer_policy, **ask, PolicyName="sticky")
    assert (status, code) == (409, "InvalidConfigurationRequest")
    status, code, _ = refused(
        elb.create_load_balancer_listeners, **ask, Listeners=[{**HTTP, "InstancePort": 81}])
    assert (status, code) == (400, "DuplicateListener")
    elb.delete_load_balancer_listeners(**ask, LoadBalancerPorts=[443])
    assert len(described(elb, classic)["ListenerDescriptions"]) == 1


def test_instances_of_a_classic_load_balancer_come_and_go(ecs, elb, classic, cluster, instances):
    instances("ab")
    arns = ecs.list_container_instances(cluster=cluster)["containerInstanceArns"]
    rows = ecs.describe_container_instances(cluster=cluster, containerInstances=arns)
    ids = sorted(it["ec2InstanceId"] for it in rows["containerInstances"])
    ask = {"LoadBalancerName": classic, "Instances": [{"InstanceId": it} for it in ids]}
    answer = elb.register_instances_with_load_balancer(**ask)
    assert [it["InstanceId"] for it in answer["Instances"]] == ids
    states = elb.describe_instance_health(LoadBalancerName=classic)["InstanceStates"]
    assert {it["State"] for it in states} == {"OutOfService"}
    assert {it["Description"] for it in states} == {"Instance registration is still in progress."}
    assert elb.deregister_instances_from_load_balancer(**ask)["Instances"] == []
    elb.get_waiter("instance_deregistered").wait(**ask)
    status, code, said = refused(
        elb.register_instances_with_load_balancer, LoadBalancerName=classic,
        Instances=[{"InstanceId": "i-0"}])
    assert (status, code, said) == (400, "InvalidInstance", "Could not find EC2 instance i-0.")


def test_classic_load_balancers_come_in_pages(elb, subnets, name):
    names = [f"{name}-{number}" for number in range(3)]
    for it in names:
        elb.create_load_balancer(LoadBalancerName=it, Listeners=[HTTP], Subnets=subnets)
    pages = elb.get_paginator("describe_load_balancers").paginate(PaginationConfig={"PageSize": 2})
    listed = [it["LoadBalancerName"] for page in pages for it in page["LoadBalancerDescriptions"]]
    assert [it for it in listed if it in names] == names
    for it in names:
        elb.delete_load_balancer(LoadBalancerName=it)
