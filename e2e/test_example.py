"""The example: the chat of several tasks, in both set-ups that its document mixes."""

import json
import urllib.request

import pytest

import chat
from chat import Chat, Client, everybody_hears, nobody_heard_twice
from until import BUSY, until
from web import serving


@pytest.fixture(scope="module")
def region():
    archive = chat.images()
    for it in serving():
        it.landfall("image", "load", str(archive))
        yield it


@pytest.fixture(scope="module")
def folder():
    return chat.client_folder()


@pytest.fixture(params=["bridge", "awsvpc"])
def started(request, region, name):
    it = Chat(region, f"{name}-{request.param}", request.param)
    try:
        yield it.start()
    finally:
        it.end()


@pytest.fixture
def users(started, folder):
    """Users by each transport, enough that not all are at one task."""
    made = [Client(folder, started.url(), f"{by}-{n}", by)
            for by in ("polling", "websocket", "polling,websocket") for n in range(3)]
    try:
        for it in made:
            until(it.task, 60, what=f"{it.name} is connected")
        yield made
    finally:
        for it in made:
            it.end()


def test_users_at_several_tasks_hear_each_other_by_either_transport(started, users):
    assert len({it.task() for it in users}) > 1
    for it in users:
        until(lambda it=it: it.transport() == it.name.split("-")[0].split(",")[-1], 60,
              what=f"the transport of {it.name}")
    everybody_hears(users, "hello")
    nobody_heard_twice(users)
    assert not [it for user in users for it in user.all("disconnected", "failed")]

    with urllib.request.urlopen(f"{started.url()}/history", timeout=10 * BUSY) as answer:
        kept = json.load(answer)
    assert {(it["from"], it["text"]) for it in kept} == {(it.name, "hello") for it in users}


def test_users_of_a_task_that_is_taken_away_go_on_at_another(started, users):
    everybody_hears(users, "before")
    gone = users[0].task()
    task = next(it for it in started.tasks if it.rsplit("/", 1)[1].startswith(gone))
    started.elbv2.deregister_targets(
        TargetGroupArn=started.groups["chat"],
        Targets=[started.target(started.ecs.describe_tasks(tasks=[task])["tasks"][0])])
    everybody_hears(users, "meanwhile")
    started.ecs.stop_task(task=task)
    for it in users:
        until(lambda it=it: it.task() not in (None, gone), 60, what=f"{it.name} is at another task")
    everybody_hears(users, "after")
    nobody_heard_twice(users)
