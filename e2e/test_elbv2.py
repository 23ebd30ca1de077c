"""Load balancers as boto3 and the command line drive them: made, changed, listed in pages, deleted."""

import json

import pytest
from botocore.exceptions import ClientError


@pytest.fixture(scope="module")
def elb(region):
    return region.client("elbv2")


@pytest.fixture(scope="module")
def network(region):
    """The VPC and its subnets."""
    ec2 = region.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    return vpc, [it["SubnetId"] for it in ec2.describe_subnets()["Subnets"]]


@pytest.fixture
def balanced(elb, network, name):
    """A load balancer, a group and a listener of the test's own; all gone at the end."""
    vpc, subnets = network
    lb = elb.create_load_balancer(Name=name, Subnets=subnets)["LoadBalancers"][0]
    group = elb.create_target_group(
        Name=name, Protocol="HTTP", Port=80, VpcId=vpc, TargetType="ip")["TargetGroups"][0]
    action = [{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}]
    listener = elb.create_listener(LoadBalancerArn=lb["LoadBalancerArn"], Protocol="HTTP", Port=80,
                                   DefaultActions=action)["Listeners"][0]
    yield lb, group, listener
    elb.modify_load_balancer_attributes(LoadBalancerArn=lb["LoadBalancerArn"], Attributes=[
        {"Key": "deletion_protection.enabled", "Value": "false"}])
    elb.delete_load_balancer(LoadBalancerArn=lb["LoadBalancerArn"])
    elb.delete_target_group(TargetGroupArn=group["TargetGroupArn"])


def refused(call, **ask):
    with pytest.raises(ClientError) as caught:
        call(**ask)
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 400
    return error["Error"]["Code"], error["Error"]["Message"]


def test_a_load_balancer_is_provisioned_then_active_and_gone_when_deleted(elb, network, name):
    made = elb.create_load_balancer(Name=name, Subnets=network[1])["LoadBalancers"][0]
    arn = made["LoadBalancerArn"]
    assert made["State"]["Code"] == "provisioning"
    assert f":loadbalancer/app/{name}/" in arn and made["DNSName"].startswith(f"{name}-")
    elb.get_waiter("load_balancer_available").wait(LoadBalancerArns=[arn])
    again = elb.create_load_balancer(Name=name, Subnets=network[1])["LoadBalancers"][0]
    assert again["LoadBalancerArn"] == arn
    code, message = refused(
        elb.create_load_balancer, Name=name, Subnets=network[1], Scheme="internal")
    assert code == "DuplicateLoadBalancerName"
    assert message == (f"A load balancer with the same name '{name}' exists, but with different "
                       "settings")
    elb.delete_load_balancer(LoadBalancerArn=arn)
    elb.get_waiter("load_balancers_deleted").wait(LoadBalancerArns=[arn])
    assert refused(elb.describe_load_balancers, Names=[name])[0] == "LoadBalancerNotFound"


def test_rules_have_conditions_actions_and_an_order(elb, balanced):
    lb, group, listener = balanced
    arn = listener["ListenerArn"]
    forward = [{"Type": "forward", "TargetGroupArn": group["TargetGroupArn"]}]
    conditions = [
        {"Field": "path-pattern", "Values": ["/a/*"]},
        {"Field": "http-header", "HttpHeaderConfig": {"HttpHeaderName": "X-Team", "Values": ["b*"]}},
        {"Field": "source-ip", "SourceIpConfig": {"Values": ["10.0.0.0/8"]}},
        {"Field": "query-string", "QueryStringConfig": {"Values": [{"Key": "v", "Value": "1"}]}},
    ]
    made = elb.create_rule(
        ListenerArn=arn, Priority=10, Conditions=conditions, Actions=forward)["Rules"][0]
    assert made["Priority"] == "10" and not made["IsDefault"]
    assert {it["Field"] for it in made["Conditions"]} == {it["Field"] for it in conditions}
    redirect = [{"Type": "redirect", "RedirectConfig": {
        "Protocol": "HTTPS", "Port": "443", "StatusCode": "HTTP_301"}}]
    other = elb.create_rule(
        ListenerArn=arn, Priority=20, Actions=redirect,
        Conditions=[{"Field": "host-header", "Values": ["*.example.com"]}])["Rules"][0]
    assert other["Actions"][0]["RedirectConfig"]["Path"] == "/#{path}"
    assert refused(elb.create_rule, ListenerArn=arn, Priority=10, Actions=forward,
                   Conditions=conditions) == ("PriorityInUse", "Priority '10' is currently in use")
    elb.set_rule_priorities(RulePriorities=[
        {"RuleArn": made["RuleArn"], "Priority": 20}, {"RuleArn": other["RuleArn"], "Priority": 10}])
    rules = elb.describe_rules(ListenerArn=arn)["Rules"]
    assert [it["RuleArn"] for it in rules[:2]] == [other["RuleArn"], made["RuleArn"]]
    assert rules[2]["IsDefault"] and rules[2]["Priority"] == "default"
    fixed = [{"Type": "fixed-response", "FixedResponseConfig": {
        "StatusCode": "404", "ContentType": "text/plain", "MessageBody": "no"}}]
    changed = elb.modify_rule(RuleArn=made["RuleArn"], Actions=fixed)["Rules"][0]
    assert changed["Actions"][0]["FixedResponseConfig"]["MessageBody"] == "no"
    assert refused(elb.delete_rule, RuleArn=rules[2]["RuleArn"])[0] == "OperationNotPermitted"
    elb.delete_rule(RuleArn=made["RuleArn"])
    assert refused(elb.describe_rules, RuleArns=[made["RuleArn"]])[0] == "RuleNotFound"


def test_targets_are_registered_and_leave(elb, balanced):
    lb, group, listener = balanced
    arn = group["TargetGroupArn"]
    targets = [{"Id": "172.31.16.9", "Port": 8080}, {"Id": "172.31.16.9", "Port": 8081}]
    elb.register_targets(TargetGroupArn=arn, Targets=targets)
    found = elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
    assert [it["Target"]["Port"] for it in found] == [8080, 8081]
    assert {it["TargetHealth"]["State"] for it in found} == {"initial"}
    elb.deregister_targets(TargetGroupArn=arn, Targets=targets[:1])
    found = elb.describe_target_health(TargetGroupArn=arn, Targets=targets[:1])
    health = found["TargetHealthDescriptions"][0]["TargetHealth"]
    assert health["State"] in ("draining", "unused")
    code, message = refused(elb.register_targets, TargetGroupArn=arn, Targets=[{"Id": "x"}])
    assert code == "InvalidTarget", message
    assert refused(elb.delete_target_group, TargetGroupArn=arn) == (
        "ResourceInUse", f"Target group '{arn}' is currently in use by a listener or a rule")


def test_attributes_have_defaults_and_bounds(elb, balanced):
    lb, group, listener = balanced
    arn = lb["LoadBalancerArn"]

    def attributes():
        found = elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
        return {it["Key"]: it["Value"] for it in found}

    assert attributes()["idle_timeout.timeout_seconds"] == "60"
    elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=[
        {"Key": "idle_timeout.timeout_seconds", "Value": "4000"},
        {"Key": "deletion_protection.enabled", "Value": "true"}])
    assert attributes()["idle_timeout.timeout_seconds"] == "4000"
    assert refused(elb.delete_load_balancer, LoadBalancerArn=arn)[0] == "OperationNotPermitted"
    for key, value in [("idle_timeout.timeout_seconds", "4001"), ("nothing", "1")]:
        code, _ = refused(elb.modify_load_balancer_attributes, LoadBalancerArn=arn,
                          Attributes=[{"Key": key, "Value": value}])
        assert code == "InvalidConfigurationRequest"
    arn = group["TargetGroupArn"]
    found = elb.describe_target_group_attributes(TargetGroupArn=arn)["Attributes"]
    assert {"Key": "deregistration_delay.timeout_seconds", "Value": "300"} in found
    assert refused(
        elb.modify_target_group_attributes, TargetGroupArn=arn,
        Attributes=[{"Key": "deregistration_delay.timeout_seconds", "Value": "3601"}],
    )[0] == "InvalidConfigurationRequest"
    found = elb.describe_listener_attributes(ListenerArn=listener["ListenerArn"])["Attributes"]
    assert {"Key": "routing.http.response.server.enabled", "Value": "true"} in found


def test_everything_is_tagged_and_found_by_pages(elb, balanced, network, name):
    lb, group, listener = balanced
    arns = [lb["LoadBalancerArn"], group["TargetGroupArn"], listener["ListenerArn"]]
    elb.add_tags(ResourceArns=arns, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    elb.remove_tags(ResourceArns=arns[:1], TagKeys=["b"])
    found = elb.describe_tags(ResourceArns=arns)["TagDescriptions"]
    assert {it["ResourceArn"]: len(it["Tags"]) for it in found} == dict(zip(arns, [1, 2, 2]))
    more = [elb.create_target_group(Name=f"{name}-{it}", Protocol="TCP", Port=80, VpcId=network[0])
            ["TargetGroups"][0]["TargetGroupArn"] for it in range(3)]
    pages = elb.get_paginator("describe_target_groups").paginate(PaginationConfig={"PageSize": 2})
    seen = [it["TargetGroupArn"] for page in pages for it in page["TargetGroups"]]
    assert len(seen) == len(set(seen)) and set(more) <= set(seen)
    assert refused(elb.describe_target_groups, Marker="x")[0] == "ValidationError"
    for arn in more:
        elb.delete_target_group(TargetGroupArn=arn)
    elb.delete_target_group(TargetGroupArn=more[0])


def test_a_network_load_balancer_forwards_flows_only(elb, network, name):
    vpc, subnets = network
    lb = elb.create_load_balancer(Name=name, Subnets=subnets[:1], Type="network")["LoadBalancers"][0]
    arn = lb["LoadBalancerArn"]
    group = elb.create_target_group(
        Name=name, Protocol="TCP_UDP", Port=53, VpcId=vpc)["TargetGroups"][0]["TargetGroupArn"]
    forward = [{"Type": "forward", "TargetGroupArn": group}]
    listener = elb.create_listener(
        LoadBalancerArn=arn, Protocol="TCP_UDP", Port=53, DefaultActions=forward)["Listeners"][0]
    assert refused(elb.create_listener, LoadBalancerArn=arn, Protocol="UDP", Port=53,
                   DefaultActions=forward)[0] == "DuplicateListener"
    assert refused(elb.create_listener, LoadBalancerArn=arn, Protocol="HTTP", Port=80,
                   DefaultActions=forward)[0] == "ValidationError"
    elb.delete_listener(ListenerArn=listener["ListenerArn"])
    elb.delete_load_balancer(LoadBalancerArn=arn)
    elb.delete_target_group(TargetGroupArn=group)


def test_limits_and_policies_are_told(elb):
    limits = {it["Name"]: it["Max"] for it in elb.describe_account_limits()["Limits"]}
    assert limits["rules-per-application-load-balancer"] == "100"
    policies = elb.describe_ssl_policies()["SslPolicies"]
    assert "ELBSecurityPolicy-TLS13-1-2-2021-06" in {it["Name"] for it in policies}
    assert refused(elb.describe_ssl_policies, Names=["x"])[0] == "SSLPolicyNotFound"


def test_every_list_goes_on_page_by_page(region, elb, network, name):
    acm = region.client("acm")
    certificates = [acm.request_certificate(DomainName=f"{it}.example.com")["CertificateArn"]
                    for it in "ab"]
    lbs = [elb.create_load_balancer(Name=f"{name}-{it}", Subnets=network[1])["LoadBalancers"][0]
           ["LoadBalancerArn"] for it in "ab"]
    groups = [elb.create_target_group(Name=f"{name}-{it}", Protocol="HTTP", Port=80, VpcId=network[0])
              ["TargetGroups"][0]["TargetGroupArn"] for it in "ab"]
    fixed = [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "200"}}]
    listeners = [elb.create_listener(LoadBalancerArn=lbs[0], Protocol="HTTPS", Port=port,
                                     Certificates=[{"CertificateArn": certificates[0]}],
                                     DefaultActions=fixed)["Listeners"][0]["ListenerArn"]
                 for port in (443, 444)]
    elb.add_listener_certificates(
        ListenerArn=listeners[0], Certificates=[{"CertificateArn": certificates[1]}])
    rule = elb.create_rule(
        ListenerArn=listeners[0], Priority=7, Actions=fixed,
        Conditions=[{"Field": "path-pattern", "Values": ["/a"]}])["Rules"][0]["RuleArn"]
    for operation, ask, result, key, expected in [
        ("describe_load_balancers", {}, "LoadBalancers", "LoadBalancerArn", lbs),
        ("describe_load_balancers", {"LoadBalancerArns": lbs[::-1]}, "LoadBalancers",
         "LoadBalancerArn", lbs),
        ("describe_load_balancers", {"Names": [f"{name}-b", f"{name}-a"]}, "LoadBalancers",
         "LoadBalancerArn", lbs),
        ("describe_target_groups", {}, "TargetGroups", "TargetGroupArn", groups),
        ("describe_target_groups", {"Names": [f"{name}-b", f"{name}-a"]}, "TargetGroups",
         "TargetGroupArn", groups),
        ("describe_listeners", {"LoadBalancerArn": lbs[0]}, "Listeners", "ListenerArn", listeners),
        ("describe_listeners", {"ListenerArns": listeners[::-1]}, "Listeners", "ListenerArn", listeners),
        ("describe_listener_certificates", {"ListenerArn": listeners[0]}, "Certificates",
         "CertificateArn", certificates),
        ("describe_rules", {"ListenerArn": listeners[0]}, "Rules", "RuleArn", [rule]),
        ("describe_account_limits", {}, "Limits", "Name", ["target-groups"]),
        ("describe_ssl_policies", {}, "SslPolicies", "Name", ["ELBSecurityPolicy-2016-08"]),
    ]:
        pages = list(elb.get_paginator(operation).paginate(
            **ask, PaginationConfig={"PageSize": 1}))
        assert all(len(it[result]) == 1 for it in pages), operation
        seen = [it[key] for page in pages for it in page[result]]
        assert len(seen) == len(set(seen)) and set(expected) <= set(seen), operation
    for arn in lbs:
        elb.delete_load_balancer(LoadBalancerArn=arn)
    for arn in groups:
        elb.delete_target_group(TargetGroupArn=arn)
    for arn in certificates:
        acm.delete_certificate(CertificateArn=arn)


def test_the_trail_names_load_balancers_and_what_they_are_made_of(region, elb, balanced):
    shown = region.landfall("audit", "--json").stdout
    for arn in (balanced[0]["LoadBalancerArn"], balanced[1]["TargetGroupArn"], balanced[2]["ListenerArn"]):
        assert arn in shown


def test_the_command_line_waits_for_a_load_balancer(region, network, name):
    words = " ".join(network[1])
    made = region.aws(f"aws elbv2 create-load-balancer --name {name} --subnets {words}")
    arn = json.loads(made.stdout)["LoadBalancers"][0]["LoadBalancerArn"]
    region.aws(f"aws elbv2 wait load-balancer-exists --load-balancer-arns {arn}")
    region.aws(f"aws elbv2 wait load-balancer-available --load-balancer-arns {arn}")
    region.aws(f"aws elbv2 delete-load-balancer --load-balancer-arn {arn}")
    region.aws(f"aws elbv2 wait load-balancers-deleted --load-balancer-arns {arn}")
