"""Tasks from launch to end, seen through the API; the instances only say that they run them."""

import json
import uuid

import pytest
from botocore.exceptions import ClientError

from until import QUICKLY, until


def code(caught):
    return caught.value.response["Error"]["Code"]


def describe(ecs, cluster, task):
    return ecs.describe_tasks(cluster=cluster, tasks=[task])["tasks"][0]


def test_a_task_goes_from_pending_to_running_to_stopped(ecs, cluster, instances, definition):
    instance = instances()
    task = ecs.run_task(cluster=cluster, taskDefinition=definition(), startedBy="me")["tasks"][0]
    arn = task["taskArn"]
    assert task["lastStatus"] == "PENDING"
    assert task["desiredStatus"] == "RUNNING"
    assert task["containerInstanceArn"] == instance.arn
    assert task["launchType"] == "EC2"
    assert task["availabilityZone"] == "us-east-1a"
    assert task["version"] >= 1
    assert task["group"].startswith("family:")
    assert task["overrides"]["containerOverrides"] == [{"name": "main"}]
    assert task["overrides"]["inferenceAcceleratorOverrides"] == []
    assert task["containers"][0]["containerArn"].startswith(
        f"arn:aws:ecs:us-east-1:123456789012:container/{cluster}/")

    ecs.get_waiter("tasks_running").wait(cluster=cluster, tasks=[arn], WaiterConfig=QUICKLY)
    running = describe(ecs, cluster, arn)
    assert running["startedAt"] >= running["createdAt"]
    assert running["connectivity"] == "CONNECTED"
    assert running["containers"][0]["lastStatus"] == "RUNNING"
    assert "exitCode" not in running["containers"][0]
    assert running["version"] > task["version"]

    stop = ecs.stop_task(cluster=cluster, task=arn, reason="enough")["task"]
    assert stop["desiredStatus"] == "STOPPED"
    ecs.get_waiter("tasks_stopped").wait(cluster=cluster, tasks=[arn], WaiterConfig=QUICKLY)
    over = describe(ecs, cluster, arn)
    assert over["stopCode"] == "UserInitiated"
    assert over["stoppedReason"] == "enough"
    assert over["stoppingAt"] <= over["stoppedAt"]
    assert over["containers"][0]["lastStatus"] == "STOPPED"


def test_running_tasks_waiter_fails_on_a_task_that_stopped(ecs, cluster, instances, definition):
    instance = instances(runs=False)
    task = ecs.run_task(cluster=cluster, taskDefinition=definition())["tasks"][0]["taskArn"]
    until(lambda: task in instance.told, what="the instance is told")
    instance.report(task, "STOPPED", reason="CannotPullContainerError: no such image")
    from botocore.exceptions import WaiterError
    with pytest.raises(WaiterError):
        ecs.get_waiter("tasks_running").wait(cluster=cluster, tasks=[task], WaiterConfig=QUICKLY)
    over = describe(ecs, cluster, task)
    assert over["stopCode"] == "TaskFailedToStart"
    assert "CannotPullContainerError" in over["stoppedReason"]
    assert "exitCode" not in over["containers"][0]


def test_the_exit_of_an_essential_container_is_told_as_such(ecs, cluster, instances, definition):
    instance = instances()
    task = ecs.run_task(cluster=cluster, taskDefinition=definition())["tasks"][0]["taskArn"]
    ecs.get_waiter("tasks_running").wait(cluster=cluster, tasks=[task], WaiterConfig=QUICKLY)
    instance.report(task, "STOPPED", exit_code=3)
    over = describe(ecs, cluster, task)
    assert over["lastStatus"] == "STOPPED"
    assert over["stopCode"] == "EssentialContainerExited"
    assert over["stoppedReason"] == "Essential container in task exited"
    assert over["containers"][0]["exitCode"] == 3


def test_a_stopped_task_never_runs_again(ecs, cluster, instances, definition):
    instance = instances()
    task = ecs.run_task(cluster=cluster, taskDefinition=definition())["tasks"][0]["taskArn"]
    ecs.get_waiter("tasks_running").wait(cluster=cluster, tasks=[task], WaiterConfig=QUICKLY)
    instance.report(task, "STOPPED", exit_code=0)
    before = describe(ecs, cluster, task)
    for late in ("RUNNING", "PULLED", "STOPPED"):
        instance.report(task, late)
    assert describe(ecs, cluster, task) == before


def test_stopping_a_stopped_task_answers_with_it_and_changes_nothing(
        ecs, cluster, instances, definition):
    instances()
    task = ecs.run_task(cluster=cluster, taskDefinition=definition())["tasks"][0]["taskArn"]
    ecs.stop_task(cluster=cluster, task=task, reason="first")
    ecs.get_waiter("tasks_stopped").wait(cluster=cluster, tasks=[task], WaiterConfig=QUICKLY)
    assert ecs.stop_task(cluster=cluster, task=task, reason="second")["task"]["stoppedReason"] == "first"


def test_an_unknown_task_is_missing_in_describe_and_refused_in_stop(ecs, cluster):
    unknown = uuid.uuid4().hex
    found = ecs.describe_tasks(cluster=cluster, tasks=[unknown])
    assert found["tasks"] == []
    assert found["failures"][0]["reason"] == "MISSING"
    assert found["failures"][0]["arn"].endswith(unknown)
    with pytest.raises(ecs.exceptions.InvalidParameterException) as caught:
        ecs.stop_task(cluster=cluster, task=unknown)
    assert caught.value.response["Error"]["Message"] == "The referenced task was not found."


def test_describe_tasks_wants_one_to_a_hundred(ecs, cluster):
    with pytest.raises(ecs.exceptions.InvalidParameterException) as caught:
        ecs.describe_tasks(cluster=cluster, tasks=[])
    assert caught.value.response["Error"]["Message"] == "Tasks cannot be empty."
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        ecs.describe_tasks(cluster=cluster, tasks=[uuid.uuid4().hex for _ in range(101)])


def test_tasks_are_listed_by_each_filter(ecs, cluster, instances, definition, name):
    one, two = instances("ab")
    family = f"{name}-f"
    task_definition = definition(family=family)
    launch = lambda instance, by: ecs.start_task(
        cluster=cluster, taskDefinition=task_definition, containerInstances=[instance.arn],
        startedBy=by)["tasks"][0]["taskArn"]
    here, there = launch(one, "me"), launch(two, "you")
    other = ecs.run_task(cluster=cluster, taskDefinition=definition())["tasks"][0]["taskArn"]
    listed = lambda **by: set(ecs.list_tasks(cluster=cluster, **by)["taskArns"])
    assert listed() == {here, there, other}
    assert listed(family=family) == {here, there}
    assert listed(startedBy="me") == {here}
    assert here in listed(containerInstance=one.arn)
    assert there not in listed(containerInstance=one.arn)
    assert listed(launchType="EC2") == {here, there, other}
    assert listed(launchType="FARGATE") == set()
    assert listed(desiredStatus="PENDING") == set()
    ecs.stop_task(cluster=cluster, task=here)
    assert listed(family=family) == {there}
    assert listed(family=family, desiredStatus="STOPPED") == {here}
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        listed(startedBy="me", family=family)


def test_tasks_are_listed_page_by_page(ecs, cluster, instances, definition):
    instances(cpu=8192)
    task_definition = definition(cpu=10)
    made = {it["taskArn"] for _ in range(3) for it in ecs.run_task(
        cluster=cluster, taskDefinition=task_definition, count=10)["tasks"]}
    pages = list(ecs.get_paginator("list_tasks").paginate(
        cluster=cluster, PaginationConfig={"PageSize": 7}))
    assert [len(it["taskArns"]) for it in pages] == [7, 7, 7, 7, 2]
    assert {arn for page in pages for arn in page["taskArns"]} == made


def test_start_task_places_where_it_is_told_and_explains_refusals(
        ecs, cluster, instances, definition):
    one, two = instances("ab", cpu=100)
    answer = ecs.start_task(cluster=cluster, taskDefinition=definition(cpu=80),
                            containerInstances=[one.arn, two.arn.rsplit("/", 1)[1]])
    assert {it["containerInstanceArn"] for it in answer["tasks"]} == {one.arn, two.arn}
    again = ecs.start_task(cluster=cluster, taskDefinition=definition(cpu=80),
                           containerInstances=[one.arn, uuid.uuid4().hex])
    assert again["tasks"] == []
    assert [it["reason"] for it in again["failures"]] == ["RESOURCE:CPU", "MISSING"]
    with pytest.raises(ClientError):
        ecs.start_task(cluster=cluster, taskDefinition=definition(), containerInstances=[])
    with pytest.raises(ClientError):
        ecs.start_task(cluster=cluster, taskDefinition=definition(),
                       containerInstances=[uuid.uuid4().hex] * 11)


def test_overrides_are_echoed_and_reach_the_instance(ecs, cluster, instances, definition):
    instance = instances()
    overrides = {"containerOverrides": [{
        "name": "main", "command": ["sleep", "5"], "cpu": 128, "memory": 96,
        "environment": [{"name": "COLOUR", "value": "blue"}]}]}
    task = ecs.run_task(cluster=cluster, taskDefinition=definition(container={
        "environment": [{"name": "COLOUR", "value": "red"}, {"name": "SIZE", "value": "1"}]}),
        overrides=overrides)["tasks"][0]
    assert task["overrides"]["containerOverrides"] == overrides["containerOverrides"]
    until(lambda: task["taskArn"] in instance.told, what="the instance is told")
    payload = [it for it in instance.messages if it["type"] == "PayloadMessage"][-1]
    said = json.dumps(payload)
    assert "blue" in said and "sleep" in said


@pytest.mark.parametrize("bad", [
    {"overrides": {"containerOverrides": [{"name": "nobody", "command": ["x"]}]}},
    {"overrides": {"containerOverrides": [
        {"name": "main", "environment": [{"name": "A", "value": "x" * 8200}]}]}},
    {"count": 0},
    {"count": 11},
    {"count": -1},
    {"startedBy": "x" * 129},
    {"startedBy": "not allowed!"},
    {"group": "x" * 256},
    {"propagateTags": "SERVICE"},
    {"launchType": "EC2", "capacityProviderStrategy": [{"capacityProvider": "p"}]},
    {"placementStrategy": [{"type": "random"}] * 6},
    {"placementStrategy": [{"type": "spread", "field": "nonsense"}]},
    {"placementStrategy": [{"type": "binpack", "field": "disk"}]},
    {"placementConstraints": [{"type": "memberOf"}]},
    {"placementConstraints": [{"type": "distinctInstance", "expression": "a == b"}]},
    {"placementConstraints": [{"type": "memberOf", "expression": "attribute:a =="}]},
    {"placementConstraints": [{"type": "memberOf", "expression": "attribute:a exists"}] * 11},
    {"networkConfiguration": {"awsvpcConfiguration": {"subnets": ["subnet-1"]}}},
])
def test_a_launch_that_breaks_a_rule_is_refused_whole(ecs, cluster, instances, definition, bad):
    instances()
    with pytest.raises(ClientError) as caught:
        ecs.run_task(**{**dict(cluster=cluster, taskDefinition=definition()), **bad})
    assert code(caught) in ("InvalidParameterException", "ClientException"), code(caught)
    assert ecs.list_tasks(cluster=cluster)["taskArns"] == []


def test_network_configuration_belongs_to_awsvpc_alone(region, ecs, cluster, instances, definition):
    instances()
    task_definition = definition(networkMode="awsvpc")
    with pytest.raises(ecs.exceptions.InvalidParameterException) as caught:
        ecs.run_task(cluster=cluster, taskDefinition=task_definition)
    assert caught.value.response["Error"]["Message"] == (
        "Network Configuration must be provided when networkMode 'awsvpc' is specified.")
    subnets = region.client("ec2").describe_subnets()["Subnets"]
    by_zone = {it["AvailabilityZone"]: it["SubnetId"] for it in subnets}
    launch = lambda zone: ecs.run_task(
        cluster=cluster, taskDefinition=task_definition,
        networkConfiguration={"awsvpcConfiguration": {"subnets": [by_zone[zone]]}})
    elsewhere = launch("us-east-1b")
    assert [it["reason"] for it in elsewhere["failures"]] == ["LOCATION"]
    task = launch("us-east-1a")["tasks"][0]
    assert task["attachments"][0]["type"] == "ElasticNetworkInterface"
    details = {it["name"]: it["value"] for it in task["attachments"][0]["details"]}
    assert details["subnetId"] == by_zone["us-east-1a"]


def test_the_audit_trail_says_which_request_made_a_task(region, ecs, cluster, instances, definition):
    instances()
    token = str(uuid.uuid4())
    ask = dict(cluster=cluster, taskDefinition=definition(), clientToken=token)
    answer = ecs.run_task(**ask)
    task = answer["tasks"][0]["taskArn"]
    events = region.extension("ListAudit", resource=task)["events"]
    assert [it["eventName"] for it in events] == ["RunTask"]
    assert events[0]["clientToken"] == token
    assert events[0]["requestId"] == answer["ResponseMetadata"]["RequestId"]
    assert task in events[0]["resources"]
    with pytest.raises(ecs.exceptions.ConflictException):
        ecs.run_task(**ask, count=2)
    events = region.extension("ListAudit", clientToken=token)["events"]
    assert [it.get("errorCode") for it in events] == ["ConflictException", None]
