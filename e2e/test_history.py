"""What is over: told for its hour by DescribeTasks, and for ever by the history."""

import json

import pytest

from instance import Instance
from region import Region
from until import QUICKLY, until


@pytest.fixture
def short():
    """A region whose hour has two seconds."""
    it = Region("--task-retention", "2").start()
    yield it
    it.down()


def run_and_stop(region, count=2):
    """Tasks of family `past` that have been started and stopped; their ARNs."""
    ecs = region.client()
    ecs.register_task_definition(family="past", containerDefinitions=[
        {"name": "main", "image": "landfall/demo", "memory": 16}])
    one = Instance(region, "default")
    tasks = [it["taskArn"] for it in ecs.run_task(
        taskDefinition="past", count=count, clientToken="monday", startedBy="e2e",
        tags=[{"key": "kind", "value": "past"}])["tasks"]]
    ecs.get_waiter("tasks_running").wait(tasks=tasks, WaiterConfig=QUICKLY)
    for task in tasks:
        ecs.stop_task(task=task, reason="enough")
    # Whoever asks late finds it MISSING already, which is stopped too.
    until(lambda: all(it["lastStatus"] == "STOPPED" for it in ecs.describe_tasks(
        tasks=tasks)["tasks"]), 30, what="stopped tasks")
    one.hang_up()
    return tasks


def gone(region, tasks):
    """Waits until DescribeTasks knows none of them."""
    ecs = region.client()
    until(lambda: not ecs.describe_tasks(tasks=tasks)["tasks"], 30, what="forgotten tasks")
    assert ecs.list_tasks(desiredStatus="STOPPED")["taskArns"] == []


def check(region, tasks):
    """Everything that must still be told of tasks that are gone."""
    told = {it["taskArn"]: it for it in json.loads(region.landfall("ps", "--all", "--json").stdout)}
    assert set(tasks) == set(told)
    assert {it["stoppedReason"] for it in told.values()} == {"enough"}
    listed = region.landfall("ps", "--all", "--since", "1h", "--family", "past").stdout
    assert all(task.rsplit("/")[-1][:8] in listed for task in tasks), listed
    assert tasks[0].rsplit("/")[-1][:8] not in region.landfall("ps", "--all", "--family", "x").stdout
    for task in tasks:
        story = region.landfall("why", task.rsplit("/")[-1][:12]).stdout
        assert "Asked for by RunTask (audit event" in story, story
        assert "client token monday" in story, story
        assert "enough (UserInitiated)" in story, story
        assert "from the history" in story, story
        events = json.loads(region.landfall("audit", "--task", task, "--json").stdout)
        assert [it["eventName"] for it in events] == ["StopTask", "RunTask"], events
    events = json.loads(region.landfall("audit", "--token", "monday", "--json").stdout)
    assert [it["eventName"] for it in events] == ["RunTask"]
    assert sorted(events[0]["resources"])[:2] != []
    answer = region.extension("ListTaskHistory", startedBy="e2e", maxResults=1)
    assert len(answer["tasks"]) == 1
    document = json.loads(answer["tasks"][0]["document"])
    assert document["stopCode"] == "UserInitiated"
    assert document["startedBy"] == "e2e"
    assert document["containers"][0]["name"] == "main"
    rest = region.extension("ListTaskHistory", startedBy="e2e", nextToken=answer["nextToken"])
    both = [it["taskArn"] for it in answer["tasks"] + rest["tasks"]]
    assert sorted(both) == sorted(tasks)


def test_a_task_is_told_of_after_its_hour_and_after_a_kill(short):
    tasks = run_and_stop(short)
    gone(short, tasks)
    check(short, tasks)
    short.kill()
    short.start()
    gone(short, tasks)
    check(short, tasks)


def test_kills_at_any_moment_lose_and_double_nothing(short):
    tasks = run_and_stop(short, count=10)
    for _ in range(4):
        short.kill()
        short.start()
    gone(short, tasks)
    told = json.loads(short.landfall("ps", "--all", "--json").stdout)
    assert sorted(it["taskArn"] for it in told) == sorted(tasks)
    pages, token = [], {}
    while True:
        answer = short.extension("ListTaskHistory", cluster="default", maxResults=3, **token)
        pages += [it["taskArn"] for it in answer["tasks"]]
        if "nextToken" not in answer:
            break
        token = {"nextToken": answer["nextToken"]}
    assert sorted(pages) == sorted(tasks)


def test_agents_may_not_read_the_history(short):
    key = short.client()  # The region's own key may.
    assert key.list_clusters()["clusterArns"]
    token = short.extension("CreateJoinToken")["joinToken"]
    status, _, body = short.request(
        "Landfall_20260101.RedeemJoinToken", json.dumps({"joinToken": token}), "landfall", sign=False)
    assert status == 200, body
    agent = json.loads(body)
    for operation in ("ListTaskHistory", "ListAudit"):
        status, _, body = short.request(
            f"Landfall_20260101.{operation}", "{}", "landfall",
            key=agent["accessKeyId"], secret=agent["secretAccessKey"])
        assert status == 400 and b"AccessDenied" in body, body


@pytest.mark.parametrize("ask", [
    {"task": "abc"}, {"task": "zzzz"}, {"cluster": "no/such"}, {"nextToken": "x"},
    {"maxResults": 0}, {"maxResults": 101}, {"since": "yesterday"},
])
def test_what_the_history_cannot_be_asked_is_refused(region, ask):
    status, _, body = region.request(
        "Landfall_20260101.ListTaskHistory", json.dumps(ask), "landfall")
    assert status == 400, body


def test_a_region_may_keep_no_history():
    region = Region("--task-retention", "1", "--history", "0").start()
    try:
        tasks = run_and_stop(region)
        gone(region, tasks)
        assert json.loads(region.landfall("ps", "--all", "--json").stdout) == []
        assert region.landfall("why", tasks[0], check=False).returncode != 0
        events = json.loads(region.landfall("audit", "--token", "monday", "--json").stdout)
        assert [it["eventName"] for it in events] == ["RunTask"]
    finally:
        region.down()
