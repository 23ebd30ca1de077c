"""Lists in pages of one: what is there all the while is seen once, whatever comes and goes meanwhile."""

import itertools
import time

import pytest
from botocore.exceptions import ClientError


class Lists:
    """Things of one kind: made by number, taken away, and listed by a paginator of boto3."""

    def __init__(self, region, ecs, cluster, name, instances, definition):
        self.ecs, self.cluster, self.name = ecs, cluster, name
        self.instances, self.definition = instances, definition
        self.logs = region.client("logs")
        self.made = {}

    def list_clusters(self):
        return (self.ecs, {}, lambda it: it["clusterArns"],
                lambda n: self.ecs.create_cluster(clusterName=f"{self.name}-{n}")["cluster"]["clusterArn"],
                lambda arn: self.ecs.delete_cluster(cluster=arn))

    def list_container_instances(self):
        def deregister(arn):
            self.ecs.deregister_container_instance(cluster=self.cluster, containerInstance=arn)
        return (self.ecs, {"cluster": self.cluster}, lambda it: it["containerInstanceArns"],
                lambda n: self.instances(connect=False).arn, deregister)

    def list_attributes(self):
        one = self.instances(connect=False)
        where = {"cluster": self.cluster, "targetType": "container-instance"}
        attribute = lambda n: {"name": f"own{n}", "targetId": one.arn}

        def make(n):
            self.ecs.put_attributes(cluster=self.cluster, attributes=[attribute(n)])
            return f"own{n}"

        def drop(name):
            self.ecs.delete_attributes(cluster=self.cluster, attributes=[
                {"name": name, "targetType": "container-instance", "targetId": one.arn}])
        return self.ecs, where, lambda it: [a["name"] for a in it["attributes"]], make, drop

    def list_tasks(self):
        self.instances(runs=False, cpu=8192)
        task_definition = self.definition(cpu=1, memory=16)

        def make(n):
            return self.ecs.run_task(
                cluster=self.cluster, taskDefinition=task_definition)["tasks"][0]["taskArn"]
        return (self.ecs, {"cluster": self.cluster}, lambda it: it["taskArns"], make,
                lambda arn: self.ecs.stop_task(cluster=self.cluster, task=arn))

    def list_task_definitions(self):
        def drop(arn):
            self.ecs.deregister_task_definition(taskDefinition=arn)
        return (self.ecs, {"familyPrefix": f"{self.name}-f"}, lambda it: it["taskDefinitionArns"],
                lambda n: self.register(f"{self.name}-f"), drop)

    def list_task_definition_families(self):
        def make(n):
            self.register(f"{self.name}-{n}")
            return f"{self.name}-{n}"
        return (self.ecs, {"familyPrefix": self.name, "status": "ACTIVE"}, lambda it: it["families"],
                make, lambda family: self.ecs.deregister_task_definition(taskDefinition=f"{family}:1"))

    def register(self, family):
        return self.ecs.register_task_definition(family=family, containerDefinitions=[
            {"name": "main", "image": "i", "memory": 16}])["taskDefinition"]["taskDefinitionArn"]

    def describe_log_groups(self):
        def make(n):
            self.logs.create_log_group(logGroupName=f"/{self.name}/{n}")
            return f"/{self.name}/{n}"
        return (self.logs, {"logGroupNamePrefix": f"/{self.name}/"},
                lambda it: [g["logGroupName"] for g in it["logGroups"]], make,
                lambda group: self.logs.delete_log_group(logGroupName=group))

    def describe_log_streams(self):
        group = f"/{self.name}"
        self.logs.create_log_group(logGroupName=group)

        def make(n):
            self.logs.create_log_stream(logGroupName=group, logStreamName=str(n))
            return str(n)
        return (self.logs, {"logGroupName": group},
                lambda it: [s["logStreamName"] for s in it["logStreams"]], make,
                lambda stream: self.logs.delete_log_stream(logGroupName=group, logStreamName=stream))

    def filter_log_events(self):
        group, now = f"/{self.name}", int(time.time() * 1000)
        self.logs.create_log_group(logGroupName=group)

        def make(n):
            self.logs.create_log_stream(logGroupName=group, logStreamName=str(n))
            self.logs.put_log_events(logGroupName=group, logStreamName=str(n), logEvents=[
                {"timestamp": now + int(n), "message": str(n)}])
            return str(n)
        return (self.logs, {"logGroupName": group},
                lambda it: [e["message"] for e in it["events"]], make,
                lambda stream: self.logs.delete_log_stream(logGroupName=group, logStreamName=stream))


LISTS = [it for it in vars(Lists) if it.startswith(("list_", "describe_", "filter_"))]


@pytest.fixture
def lists(region, ecs, cluster, name, instances, definition):
    return Lists(region, ecs, cluster, name, instances, definition)


@pytest.mark.parametrize("operation", LISTS)
def test_what_stays_is_seen_once_while_other_things_come_and_go(lists, operation):
    client, where, items, make, drop = getattr(lists, operation)()
    stay = [make(n) for n in (20, 22, 24, 26)]
    go = [make(n) for n in (21, 23, 25)]
    more = itertools.chain([11, 31], itertools.count(40))
    seen = []
    pages = client.get_paginator(operation).paginate(**where, PaginationConfig={"PageSize": 1})
    for page in pages:
        found = items(page)
        assert len(found) <= 1
        seen += found
        # What was just seen goes, so that the next token names what is gone; and something comes.
        if found and found[0] in go:
            drop(found[0])
        elif len(go) > 0 and go[-1] not in seen:
            drop(go.pop())
        if len(seen) < 3:
            make(next(more))
    assert len(seen) == len(set(seen))
    assert set(stay) <= set(seen)


@pytest.mark.parametrize("operation", LISTS)
@pytest.mark.parametrize("token", ["made-up", "00", "/", "f" * 4000, "%", "ÿ"])
def test_a_token_that_nobody_gave_is_refused(lists, operation, token):
    client, where, *_ = getattr(lists, operation)()
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**where, nextToken=token)
    assert caught.value.response["Error"]["Code"] == "InvalidParameterException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_account_settings_come_in_pages(ecs):
    pages = ecs.get_paginator("list_account_settings").paginate(
        effectiveSettings=True, PaginationConfig={"PageSize": 1})
    names = [it["name"] for page in pages for it in page["settings"]]
    pages = ecs.get_paginator("list_account_settings").paginate(effectiveSettings=True)
    assert names == [it["name"] for page in pages for it in page["settings"]]
    assert len(names) == len(set(names))
    with pytest.raises(ClientError) as caught:
        ecs.list_account_settings(nextToken="made-up")
    assert caught.value.response["Error"]["Code"] == "InvalidParameterException"


def test_subnets_come_in_pages(region):
    ec2 = region.client("ec2")
    pages = ec2.get_paginator("describe_subnets").paginate(PaginationConfig={"PageSize": 5})
    subnets = [it["SubnetId"] for page in pages for it in page["Subnets"]]
    assert subnets == [it["SubnetId"] for it in ec2.describe_subnets()["Subnets"]]
    for operation in ("describe_subnets", "describe_vpcs", "describe_security_groups",
                      "describe_network_interfaces"):
        with pytest.raises(ClientError) as caught:
            getattr(ec2, operation)(NextToken="made-up")
        assert caught.value.response["Error"]["Code"] in ("InvalidNextToken", "InvalidPaginationToken"), operation


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_the_command_line_waits(region, ecs, cluster, instances, definition, state):
    instances()
    task = ecs.run_task(cluster=cluster, taskDefinition=definition())["tasks"][0]["taskArn"]
    if state == "stopped":
        ecs.stop_task(cluster=cluster, task=task)
    done = region.aws(f"aws ecs wait tasks-{state} --cluster {cluster} --tasks {task}", check=False)
    assert done.returncode == 0, done.stderr
    unknown = task.rsplit("/", 1)[0] + "/" + "0" * 32
    done = region.aws(f"aws ecs wait tasks-running --cluster {cluster} --tasks {unknown}", check=False)
    assert done.returncode == 255 and "MISSING" in done.stderr, done.stderr
