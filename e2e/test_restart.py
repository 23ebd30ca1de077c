"""The control plane ends, by Ctrl-C or by a kill at any moment: what it has answered is still so."""

import re
import signal
import subprocess
import threading
import uuid
from pathlib import Path

import pytest

from instance import Instance
from region import BINARY, Region
from until import QUICKLY, until


@pytest.fixture
def own():
    """A region of the test's own, that may be killed."""
    # Its instance does not come back after a kill, and is not what is tested here.
    it = Region("--lost-after", "600").start()
    yield it
    it.down()


def register(ecs, family="f", memory=16):
    ecs.register_task_definition(family=family, containerDefinitions=[
        {"name": "main", "image": "landfall/demo", "memory": memory}])


def world(ecs):
    plain = lambda answer: {key: it for key, it in answer.items() if key != "ResponseMetadata"}
    tasks = sorted(arn for status in ("RUNNING", "STOPPED")
                   for arn in ecs.list_tasks(desiredStatus=status)["taskArns"])
    instances = ecs.list_container_instances()["containerInstanceArns"]
    return (
        sorted(ecs.list_clusters()["clusterArns"]),
        sorted(ecs.list_task_definitions()["taskDefinitionArns"]),
        plain(ecs.describe_tasks(tasks=tasks, include=["TAGS"])) if tasks else None,
        plain(ecs.describe_container_instances(containerInstances=instances)) if instances else None,
    )


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_everything_is_as_it_was_after_a_restart(own, end):
    ecs = own.client()
    register(ecs)
    one = Instance(own, "default")
    token = str(uuid.uuid4())
    tasks = [it["taskArn"] for it in ecs.run_task(
        taskDefinition="f", count=3, clientToken=token, tags=[{"key": "a", "value": "b"}])["tasks"]]
    ecs.get_waiter("tasks_running").wait(tasks=tasks, WaiterConfig=QUICKLY)
    ecs.stop_task(task=tasks[2], reason="enough")
    ecs.get_waiter("tasks_stopped").wait(tasks=tasks[2:], WaiterConfig=QUICKLY)
    before = world(ecs)
    assert getattr(own, end)() in (0, None)
    own.start()
    ecs = own.client()
    assert world(ecs) == before, "an instance counts as connected until the silence is over"
    again = ecs.run_task(taskDefinition="f", count=3, clientToken=token,
                         tags=[{"key": "a", "value": "b"}])
    assert [it["taskArn"] for it in again["tasks"]] == tasks
    one.hang_up()


def test_ctrl_c_ends_with_status_zero_also_while_agents_are_connected(own):
    one = Instance(own, "default")
    assert own.stop() == 0
    one.hang_up()


def test_ctrl_c_before_the_region_serves_ends_with_status_zero(own):
    own.stop()
    own.process = subprocess.Popen(
        [BINARY, "server", "--data", own.data, "--listen", f"127.0.0.1:{own.port}"],
        stdin=subprocess.DEVNULL, stdout=own.log, stderr=own.log,
    )
    status = Path(f"/proc/{own.process.pid}/status")
    caught = re.compile(r"^SigCgt:\t([0-9a-f]+)$", re.M)
    bit = 1 << (signal.SIGINT - 1)
    # The earliest moment at which it can be in good order: it listens for the signal.
    while not int(caught.search(status.read_text()).group(1), 16) & bit:
        assert own.process.poll() is None
    assert own.stop() == 0


def test_the_data_folder_serves_one_control_plane_at_a_time(own):
    second = Region(data=own.data)
    with pytest.raises(AssertionError) as caught:
        second.start()
    assert "has ended" in str(caught.value)
    assert own.ready()
    second.log.close()


def test_a_kill_under_load_loses_and_doubles_no_launch(own):
    """Clients repeat each token until it is answered, as SDKs do; kills come in between."""
    ecs = own.client()
    register(ecs, memory=6)
    one = Instance(own, "default", cpu=100_000, memory=100_000, runs=False)
    answers, stop = {}, threading.Event()

    def launch():
        client = own.client()
        while not stop.is_set():
            token = str(uuid.uuid4())
            seen = []
            while not seen:
                try:
                    seen = [it["taskArn"] for it in client.run_task(
                        taskDefinition="f", count=2, clientToken=token)["tasks"]] or ["none"]
                except Exception:  # Not there, or gone in the middle: said again with the same token.
                    if stop.wait(0.02):
                        return
            answers[token] = seen

    clients = [threading.Thread(target=launch) for _ in range(8)]
    for it in clients:
        it.start()
    for round_ in range(1, 5):
        until(lambda: len(answers) >= 40 * round_, 30, what="launches")
        own.kill()
        own.start()
    stop.set()
    for it in clients:
        it.join()
    one.hang_up()
    ecs = own.client()
    listed = {arn for page in ecs.get_paginator("list_tasks").paginate() for arn in page["taskArns"]}
    answered = [arn for it in answers.values() for arn in it]
    assert len(answered) == len(set(answered))
    assert set(answered) <= listed
    for token, tasks in list(answers.items())[:50]:
        again = ecs.run_task(taskDefinition="f", count=2, clientToken=token)
        assert [it["taskArn"] for it in again["tasks"]] == tasks
    # A launch whose answer was lost in a kill, and whose client was told to end, may be there too.
    assert len(listed) - len(answered) <= 2 * len(clients)
    assert len(listed) % 2 == 0
