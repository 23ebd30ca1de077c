"""Client tokens of RunTask: one launch a request, however often it is said (handbook 1.2)."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest
from botocore.exceptions import ClientError

from until import QUICKLY


def arns(answer):
    return [it["taskArn"] for it in answer["tasks"]]


def stopped(ecs, cluster, tasks):
    for task in tasks:
        ecs.stop_task(cluster=cluster, task=task)
    ecs.get_waiter("tasks_stopped").wait(
        cluster=cluster, tasks=tasks, WaiterConfig=QUICKLY)


@pytest.fixture
def token():
    return str(uuid.uuid4())


def all_tasks(ecs, cluster):
    return [arn for status in ("RUNNING", "STOPPED")
            for arn in ecs.list_tasks(cluster=cluster, desiredStatus=status)["taskArns"]]


def test_a_repeated_token_starts_nothing_and_gets_the_same_tasks(
        ecs, cluster, instances, definition, token):
    instances()
    ask = dict(cluster=cluster, taskDefinition=definition(), count=3, clientToken=token)
    first = ecs.run_task(**ask)
    again = ecs.run_task(**ask)
    assert len(arns(first)) == 3
    assert arns(again) == arns(first)
    assert sorted(all_tasks(ecs, cluster)) == sorted(arns(first))


def test_the_sdk_makes_a_fresh_token_for_every_call(ecs, cluster, instances, definition):
    instances()
    task_definition = definition()
    launches = [ecs.run_task(cluster=cluster, taskDefinition=task_definition) for _ in range(3)]
    assert len({arns(it)[0] for it in launches}) == 3


def test_a_replay_of_running_tasks_shows_what_they_are_now(
        ecs, cluster, instances, definition, token):
    instances()
    ask = dict(cluster=cluster, taskDefinition=definition(), clientToken=token)
    first = ecs.run_task(**ask)["tasks"][0]
    assert first["lastStatus"] == "PENDING"
    ecs.get_waiter("tasks_running").wait(
        cluster=cluster, tasks=[first["taskArn"]], WaiterConfig=QUICKLY)
    again = ecs.run_task(**ask)["tasks"][0]
    assert again["taskArn"] == first["taskArn"]
    assert again["lastStatus"] == "RUNNING"
    assert again["containers"][0]["name"] == "main"


def test_a_replay_after_the_task_stopped_names_it_and_starts_nothing(
        ecs, cluster, instances, definition, token):
    instances()
    ask = dict(cluster=cluster, taskDefinition=definition(), clientToken=token)
    task = arns(ecs.run_task(**ask))[0]
    stopped(ecs, cluster, [task])
    again = ecs.run_task(**ask)
    assert again["tasks"] == [
        {"taskArn": task, "lastStatus": "STOPPED", "desiredStatus": "STOPPED"}]
    assert all_tasks(ecs, cluster) == [task]


@pytest.mark.parametrize("change", [
    {"count": 2},
    {"overrides": {"containerOverrides": [{"name": "main", "command": ["sleep", "1"]}]}},
    {"startedBy": "somebody-else"},
    {"group": "another"},
    {"tags": [{"key": "a", "value": "1"}]},
    {"placementStrategy": [{"type": "random"}]},
    {"enableECSManagedTags": True},
])
def test_the_same_token_with_another_request_is_a_conflict_that_names_the_tasks(
        ecs, cluster, instances, definition, token, change):
    instances()
    ask = dict(cluster=cluster, taskDefinition=definition(), clientToken=token)
    tasks = arns(ecs.run_task(**ask))
    with pytest.raises(ecs.exceptions.ConflictException) as caught:
        ecs.run_task(**{**ask, **change})
    assert caught.value.response["resourceIds"] == tasks
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert all_tasks(ecs, cluster) == tasks
    assert arns(ecs.run_task(**ask)) == tasks


def test_another_task_definition_with_the_same_token_is_a_conflict(
        ecs, cluster, instances, definition, token):
    instances()
    ask = dict(cluster=cluster, clientToken=token)
    tasks = arns(ecs.run_task(taskDefinition=definition(), **ask))
    with pytest.raises(ecs.exceptions.ConflictException) as caught:
        ecs.run_task(taskDefinition=definition(), **ask)
    assert caught.value.response["resourceIds"] == tasks


def test_a_conflict_stays_one_after_the_tasks_stopped(ecs, cluster, instances, definition, token):
    instances()
    ask = dict(cluster=cluster, taskDefinition=definition(), clientToken=token)
    task = arns(ecs.run_task(**ask))[0]
    stopped(ecs, cluster, [task])
    with pytest.raises(ecs.exceptions.ConflictException) as caught:
        ecs.run_task(**ask, count=2)
    assert caught.value.response["resourceIds"] == [task]


def test_cluster_and_task_definition_by_name_and_by_arn_are_the_same_request(
        ecs, cluster, instances, definition, token):
    instances()
    short = definition()
    cluster_arn = ecs.describe_clusters(clusters=[cluster])["clusters"][0]["clusterArn"]
    long = ecs.describe_task_definition(taskDefinition=short)["taskDefinition"]["taskDefinitionArn"]
    first = ecs.run_task(cluster=cluster, taskDefinition=short, clientToken=token)
    again = ecs.run_task(cluster=cluster_arn, taskDefinition=long, clientToken=token, count=1)
    assert arns(again) == arns(first)


def test_a_newer_revision_does_not_make_the_same_words_another_request(
        ecs, cluster, instances, definition, token, name):
    instances()
    definition(family=name)
    ask = dict(cluster=cluster, taskDefinition=name, clientToken=token)
    first = ecs.run_task(**ask)
    definition(family=name, cpu=65)
    assert arns(ecs.run_task(**ask)) == arns(first)


def test_a_token_belongs_to_its_cluster(ecs, cluster, instances, definition, token, name):
    other = f"{name}-other"
    ecs.create_cluster(clusterName=other)
    instances()
    instances(cluster=other)
    task_definition = definition()
    here = ecs.run_task(cluster=cluster, taskDefinition=task_definition, clientToken=token)
    there = ecs.run_task(cluster=other, taskDefinition=task_definition, clientToken=token)
    assert arns(here) and arns(there)
    assert arns(here) != arns(there)
    assert ecs.run_task(cluster=other, taskDefinition=task_definition,
                        clientToken=token)["tasks"][0]["taskArn"] == arns(there)[0]


def test_tokens_are_told_apart_by_case(ecs, cluster, instances, definition):
    instances()
    task_definition = definition()
    launch = lambda token: arns(ecs.run_task(
        cluster=cluster, taskDefinition=task_definition, clientToken=token))
    assert launch("Token") != launch("token")


@pytest.mark.parametrize("bad", ["x" * 65, "with space", "tab\there", "ümlaut"])
def test_a_token_outside_the_bounds_is_refused_and_starts_nothing(
        ecs, cluster, instances, definition, bad):
    instances()
    with pytest.raises(ClientError) as caught:
        ecs.run_task(cluster=cluster, taskDefinition=definition(), clientToken=bad)
    assert caught.value.response["Error"]["Code"] == "InvalidParameterException"
    assert all_tasks(ecs, cluster) == []


def test_a_token_of_the_longest_allowed_length_works(ecs, cluster, instances, definition):
    instances()
    ask = dict(cluster=cluster, taskDefinition=definition(), clientToken="!" + "~" * 63)
    assert arns(ecs.run_task(**ask)) == arns(ecs.run_task(**ask))


def test_thirty_two_callers_at_once_with_one_token_make_one_launch(
        region, ecs, cluster, instances, definition, token):
    instances("abc")
    task_definition = definition()
    clients = [region.client() for _ in range(32)]
    barrier = threading.Barrier(len(clients))

    def launch(client):
        barrier.wait()
        return arns(client.run_task(
            cluster=cluster, taskDefinition=task_definition, count=2, clientToken=token))

    with ThreadPoolExecutor(len(clients)) as pool:
        answers = list(pool.map(launch, clients))
    assert len(answers[0]) == 2
    assert all(it == answers[0] for it in answers)
    assert sorted(all_tasks(ecs, cluster)) == sorted(answers[0])


def test_of_two_requests_racing_for_one_token_the_loser_gets_a_conflict(
        region, ecs, cluster, instances, definition, token):
    instances("abc")
    task_definition = definition()
    clients = [region.client() for _ in range(16)]
    barrier = threading.Barrier(len(clients))

    def launch(numbered):
        number, client = numbered
        barrier.wait()
        try:
            return arns(client.run_task(cluster=cluster, taskDefinition=task_definition,
                                        count=1 + number % 2, clientToken=token))
        except client.exceptions.ConflictException as conflict:
            return conflict.response["resourceIds"]

    with ThreadPoolExecutor(len(clients)) as pool:
        answers = list(pool.map(launch, enumerate(clients)))
    assert all(it == answers[0] for it in answers)
    assert sorted(all_tasks(ecs, cluster)) == sorted(answers[0])


def test_a_partial_success_is_replayed_as_it_was(ecs, cluster, instances, definition, token):
    first_instance = instances(cpu=128, memory=1024)
    ask = dict(cluster=cluster, taskDefinition=definition(cpu=64), count=5, clientToken=token)
    first = ecs.run_task(**ask)
    assert len(first["tasks"]) == 2
    assert {it["reason"] for it in first["failures"]} == {"RESOURCE:CPU"}
    assert first["failures"][0]["arn"] == first_instance.arn
    instances(cpu=4096)
    again = ecs.run_task(**ask)
    assert arns(again) == arns(first)
    assert again["failures"] == first["failures"]
    assert sorted(all_tasks(ecs, cluster)) == sorted(arns(first))


def test_a_launch_that_found_no_room_at_all_is_replayed_too(
        ecs, cluster, instances, definition, token):
    instances(cpu=32)
    ask = dict(cluster=cluster, taskDefinition=definition(cpu=64), clientToken=token)
    first = ecs.run_task(**ask)
    assert first["tasks"] == []
    assert first["failures"]
    instances(cpu=4096)
    again = ecs.run_task(**ask)
    assert again["tasks"] == first["tasks"]
    assert again["failures"] == first["failures"]


def test_a_refused_call_binds_nothing(ecs, cluster, instances, definition, token):
    task_definition = definition()
    with pytest.raises(ecs.exceptions.InvalidParameterException) as caught:
        ecs.run_task(cluster=cluster, taskDefinition=task_definition, clientToken=token)
    assert caught.value.response["Error"]["Message"] == (
        "No Container Instances were found in your cluster.")
    instances()
    for bad in ({"taskDefinition": "no-such-family"}, {"count": 11}, {"count": 0}):
        with pytest.raises(ClientError):
            ecs.run_task(**{**dict(cluster=cluster, taskDefinition=task_definition,
                                   clientToken=token), **bad})
    assert len(arns(ecs.run_task(
        cluster=cluster, taskDefinition=task_definition, clientToken=token))) == 1


def test_start_task_has_no_token_so_a_repetition_starts_another_task(
        ecs, cluster, instances, definition):
    one = instances()
    ask = dict(cluster=cluster, taskDefinition=definition(), containerInstances=[one.arn])
    assert arns(ecs.start_task(**ask)) != arns(ecs.start_task(**ask))
