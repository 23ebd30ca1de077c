"""Container instances: joining, listing, draining, leaving, and being lost."""

import json

import pytest
from botocore.exceptions import ClientError

from instance import Instance
from region import Region
from until import QUICKLY, until


def test_an_instance_says_what_it_is(ecs, cluster, instances):
    one = instances("b", cpu=2048, memory=4096, attributes=[("stack", "prod")])
    found = one.describe()
    assert found["containerInstanceArn"].startswith(
        f"arn:aws:ecs:us-east-1:123456789012:container-instance/{cluster}/")
    assert found["status"] == "ACTIVE"
    assert found["agentConnected"] is True
    assert found["ec2InstanceId"] == one.ec2_id
    assert found["runningTasksCount"] == found["pendingTasksCount"] == 0
    assert found["versionInfo"]["agentVersion"] == "1.105.1"
    registered = {it["name"]: it for it in found["registeredResources"]}
    assert registered["CPU"]["integerValue"] == 2048
    assert registered["MEMORY"]["integerValue"] == 4096
    assert sorted(registered["PORTS"]["stringSetValue"]) == ["22", "51678"]
    attributes = {it["name"]: it.get("value") for it in found["attributes"]}
    assert attributes["ecs.availability-zone"] == "us-east-1b"
    assert attributes["ecs.instance-type"] == "test.large"
    assert attributes["ecs.os-type"] == "linux"
    assert attributes["stack"] == "prod"
    assert attributes["ecs.subnet-id"].startswith("subnet-")
    assert attributes["ecs.vpc-id"].startswith("vpc-")


def test_instances_are_described_by_id_and_by_arn(ecs, cluster, instances):
    one = instances()
    by_id = ecs.describe_container_instances(
        cluster=cluster, containerInstances=[one.arn.rsplit("/", 1)[1], "0" * 32])
    assert [it["containerInstanceArn"] for it in by_id["containerInstances"]] == [one.arn]
    assert [it["reason"] for it in by_id["failures"]] == ["MISSING"]


def test_instances_are_listed_by_status_and_page_by_page(ecs, cluster, instances):
    made = instances("abcab")
    pages = list(ecs.get_paginator("list_container_instances").paginate(
        cluster=cluster, PaginationConfig={"PageSize": 2}))
    assert [len(it["containerInstanceArns"]) for it in pages] == [2, 2, 1]
    ecs.update_container_instances_state(
        cluster=cluster, containerInstances=[made[0].arn], status="DRAINING")
    listed = lambda status: ecs.list_container_instances(
        cluster=cluster, status=status)["containerInstanceArns"]
    assert listed("DRAINING") == [made[0].arn]
    assert sorted(listed("ACTIVE")) == sorted(it.arn for it in made[1:])


def test_a_draining_instance_takes_nothing_and_keeps_what_it_has(
        ecs, cluster, instances, definition):
    one = instances()
    task_definition = definition()
    task = ecs.run_task(cluster=cluster, taskDefinition=task_definition)["tasks"][0]["taskArn"]
    ecs.get_waiter("tasks_running").wait(cluster=cluster, tasks=[task], WaiterConfig=QUICKLY)
    drain = lambda status: ecs.update_container_instances_state(
        cluster=cluster, containerInstances=[one.arn], status=status)["containerInstances"][0]
    assert drain("DRAINING")["status"] == "DRAINING"
    refused = ecs.run_task(cluster=cluster, taskDefinition=task_definition)
    assert refused["tasks"] == []
    assert refused["failures"]
    assert ecs.describe_tasks(cluster=cluster, tasks=[task])["tasks"][0]["lastStatus"] == "RUNNING"
    assert drain("ACTIVE")["status"] == "ACTIVE"
    assert ecs.run_task(cluster=cluster, taskDefinition=task_definition)["tasks"]


def test_an_instance_with_tasks_leaves_only_by_force(ecs, cluster, instances, definition):
    one = instances()
    task = ecs.run_task(cluster=cluster, taskDefinition=definition())["tasks"][0]["taskArn"]
    with pytest.raises(ecs.exceptions.InvalidParameterException):
        ecs.deregister_container_instance(cluster=cluster, containerInstance=one.arn)
    gone = ecs.deregister_container_instance(
        cluster=cluster, containerInstance=one.arn, force=True)["containerInstance"]
    assert gone["status"] == "INACTIVE"
    assert ecs.list_container_instances(cluster=cluster)["containerInstanceArns"] == []
    until(lambda: ecs.describe_tasks(cluster=cluster, tasks=[task])["tasks"][0]["lastStatus"]
          == "STOPPED", what="its task is stopped")
    found = ecs.describe_tasks(cluster=cluster, tasks=[task])["tasks"][0]
    assert found["stoppedReason"] == "Container instance deregistration forced by user"


def test_a_deregistered_instance_is_refused_its_session(ecs, cluster, instances):
    import websocket
    one = instances()
    ecs.deregister_container_instance(cluster=cluster, containerInstance=one.arn, force=True)
    one.hang_up()
    with pytest.raises((websocket.WebSocketException, ClientError)) as caught:
        one.connect()
    assert "InactiveInstanceException" in str(caught.value) or "400" in str(caught.value)


def test_nothing_is_placed_where_no_agent_is_connected(ecs, cluster, instances, definition):
    one = instances(connect=False)
    task_definition = definition()
    for ask in (dict(), dict(containerInstances=[one.arn])):
        launch = ecs.start_task if ask else ecs.run_task
        answer = launch(cluster=cluster, taskDefinition=task_definition, **ask)
        assert [it["reason"] for it in answer["failures"]] == ["AGENT"]
    one.connect()
    assert ecs.run_task(cluster=cluster, taskDefinition=task_definition)["tasks"]


def test_an_agent_that_comes_back_keeps_its_identity_and_tasks(ecs, cluster, instances, definition):
    one = instances()
    task = ecs.run_task(cluster=cluster, taskDefinition=definition())["tasks"][0]["taskArn"]
    ecs.get_waiter("tasks_running").wait(cluster=cluster, tasks=[task], WaiterConfig=QUICKLY)
    one.hang_up()
    again = ecs.register_container_instance(
        **one.registration, containerInstanceArn=one.arn)["containerInstance"]
    assert again["containerInstanceArn"] == one.arn
    one.messages.clear()
    one.connect()
    until(lambda: {"TaskManifestMessage", "PayloadMessage"} <= {it["type"] for it in one.messages},
          what="the session says everything anew")
    manifest = next(it for it in one.messages if it["type"] == "TaskManifestMessage")
    assert [it["taskArn"] for it in manifest["message"]["tasks"]] == [task]
    assert ecs.describe_tasks(cluster=cluster, tasks=[task])["tasks"][0]["lastStatus"] == "RUNNING"


def test_a_machine_cannot_come_back_with_another_size(ecs, cluster, instances):
    one = instances()
    other = json.loads(json.dumps(one.registration))
    other["totalResources"][0]["integerValue"] += 1
    with pytest.raises(ecs.exceptions.ClientException) as caught:
        ecs.register_container_instance(**other, containerInstanceArn=one.arn)
    assert "Container instance type changes are not supported." in str(caught.value)


def test_a_lost_instance_is_shown_and_its_tasks_are_given_up_in_time():
    it = Region("--lost-after", "5", "--give-up-after", "20").start()
    try:
        ecs = it.client()
        ecs.register_task_definition(family="f", containerDefinitions=[
            {"name": "main", "image": "landfall/demo", "memory": 16, "cpu": 10}])
        one = Instance(it, "default")
        task = ecs.run_task(taskDefinition="f")["tasks"][0]["taskArn"]
        ecs.get_waiter("tasks_running").wait(tasks=[task], WaiterConfig=QUICKLY)
        one.hang_up()
        until(lambda: not one.describe()["agentConnected"], 20, what="the silence is noticed")
        found = ecs.describe_tasks(tasks=[task])["tasks"][0]
        assert (found["lastStatus"], found["desiredStatus"]) == ("RUNNING", "RUNNING")
        assert [it["reason"] for it in ecs.run_task(taskDefinition="f")["failures"]] == ["AGENT"]
        until(lambda: ecs.describe_tasks(tasks=[task])["tasks"][0]["lastStatus"] == "STOPPED", 30,
              what="the task is given up")
        found = ecs.describe_tasks(tasks=[task])["tasks"][0]
        assert one.arn.rsplit("/", 1)[1] in found["stoppedReason"]
        left = {it["name"]: it.get("integerValue") for it in one.describe()["remainingResources"]}
        assert left["CPU"] == 4096 - 10, "resources stay reserved until the instance has confirmed"
        one.connect()
        until(lambda: one.told.get(task) == "STOPPED", what="the returned instance is told to stop")
        until(lambda: {it["name"]: it.get("integerValue") for it in
                       one.describe()["remainingResources"]}["CPU"] == 4096,
              what="resources are free again")
        assert ecs.describe_tasks(tasks=[task])["tasks"][0]["lastStatus"] == "STOPPED"
        one.hang_up()
    finally:
        it.down()
