"""A whole region whose containers an OCI runtime of the machine runs: `landfall up --runtime runc`."""

import json
import os
import shutil
import signal
from pathlib import Path

import pytest

import image
from conftest import runs_containers
from region import Region
from test_containers import SHELL, demo, ecs, fetch, processes, tasks  # noqa: F401
from until import until

RUNC = shutil.which("runc", path=os.environ["PATH"] + ":/usr/sbin:/sbin")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One instance, whose containers are made by runc."""
    if not RUNC:
        pytest.skip("no runc on this machine (Debian package runc)")
    if not runs_containers():
        pytest.skip("containers need root and a binary that runs them")
    it = Region("--runtime", RUNC, "--instances", "1", command="up")
    try:
        it.start(within=90)
        until(lambda: it.connected() == 1, 60, what="a connected instance")
        if image.busybox():
            archive = image.archive(tmp_path_factory.mktemp("image") / "busybox.tar")
            it.landfall("image", "load", str(archive))
        yield it
        assert "panicked" not in it.tail()
    finally:
        it.down()


@pytest.mark.parametrize("code", [0, 7])
def test_exit_codes_are_told(tasks, code):
    over = tasks.over(tasks.run([demo("exit", str(code))]))
    assert over["containers"][0]["exitCode"] == code
    assert over["stopCode"] == "EssentialContainerExited"


def test_a_missing_command_fails_the_start(tasks):
    over = tasks.over(tasks.run([{"name": "main", "image": image.NAME, "memory": 32,
                                  "command": ["/no/such/program"]}])) if image.busybox() else None
    assert over is None or over["stopCode"] == "TaskFailedToStart"


def test_memory_beyond_the_limit_is_told_as_such(tasks):
    over = tasks.over(tasks.run([demo("fill-memory", memory=32)]))
    assert over["containers"][0]["exitCode"] == 137
    assert "OutOfMemoryError" in over["containers"][0]["reason"]


@SHELL
def test_health_checks_are_run_inside(tasks):
    check = lambda word: {"command": ["CMD-SHELL", word], "interval": 5, "timeout": 2, "retries": 1}
    shell = {"name": "main", "image": image.NAME, "memory": 64, "command": ["sleep", "1000"],
             "stopTimeout": 2}
    good = tasks.run([{**shell, "healthCheck": check("true")}])
    bad = tasks.run([{**shell, "healthCheck": check("false")}])
    until(lambda: tasks.look(good)["healthStatus"] == "HEALTHY", 40, what="HEALTHY")
    until(lambda: tasks.look(bad)["healthStatus"] == "UNHEALTHY", 40, what="UNHEALTHY")


def test_stop_asks_first_and_kills_after_the_stop_timeout(tasks, ecs):
    kind = tasks.run([demo("web", "8080", portMappings=[{"containerPort": 8080}])],
                     networkMode="bridge")
    port = tasks.running(kind)["containers"][0]["networkBindings"][0]["hostPort"]
    # From its first answer on it hears the signal.
    assert fetch(f"http://{tasks.address(kind)}:{port}/health") == b"ok\n"
    ecs.stop_task(task=kind)
    assert tasks.over(kind)["containers"][0]["exitCode"] == 143
    if not image.busybox():
        return
    stubborn = tasks.run([{"name": "main", "image": image.NAME, "memory": 64, "stopTimeout": 2,
                           "command": ["sh", "-c", "trap '' TERM; while true; do sleep 1; done"]}])
    tasks.running(stubborn)
    ecs.stop_task(task=stubborn)
    assert tasks.over(stubborn, 30)["containers"][0]["exitCode"] == 137


def test_bridge_ports_answer_at_the_address_of_the_instance(tasks):
    arn = tasks.run([demo("web", "8080", portMappings=[{"containerPort": 8080}])],
                    networkMode="bridge")
    binding = tasks.running(arn)["containers"][0]["networkBindings"][0]
    shown = json.loads(fetch(f"http://{tasks.address(arn)}:{binding['hostPort']}/"))
    assert shown["TaskARN"] == arn


def test_an_awsvpc_task_answers_at_an_address_of_its_own(tasks, whole):
    subnets = [it["SubnetId"] for it in whole.client("ec2").describe_subnets()["Subnets"]]
    arn = tasks.run([demo("web", "8080", portMappings=[{"containerPort": 8080}])],
                    {"networkConfiguration": {"awsvpcConfiguration": {"subnets": subnets}}},
                    networkMode="awsvpc")
    address = tasks.running(arn)["containers"][0]["networkInterfaces"][0]["privateIpv4Address"]
    assert json.loads(fetch(f"http://{address}:8080/"))["TaskARN"] == arn


@SHELL
def test_a_terminal_is_one(tasks):
    lines, _ = tasks.shell("test -t 0 && test -t 1 && echo terminal; echo $TERM",
                           container={"pseudoTerminal": True})
    assert lines == ["terminal", "xterm"]


def test_containers_never_notice_that_their_agent_was_killed(tasks, whole):
    arn = tasks.run([demo("sleep")])
    late = tasks.run([demo("exit", "9", "3")])
    before = tasks.running(arn)["containers"][0]["runtimeId"]
    # Whoever looks late finds it ended.
    until(lambda: tasks.look(late)["lastStatus"] in ("RUNNING", "STOPPED"), 40, what="RUNNING")
    agents = processes(whole.data, "agent")
    for it in agents:
        os.kill(it, signal.SIGKILL)
    until(lambda: set(processes(whole.data, "agent")) - set(agents), 20, what="a new agent")
    assert tasks.over(late)["containers"][0]["exitCode"] == 9
    after = tasks.look(arn)
    assert (after["lastStatus"], after["containers"][0]["runtimeId"]) == ("RUNNING", before)


def test_the_runtime_is_the_one_that_was_asked_for(tasks, whole):
    arn = tasks.run([demo("sleep")])
    tasks.running(arn)
    run = next(Path("/run/landfall").glob(f"*/*/tasks/{arn.rsplit('/', 1)[1]}"))
    states = list(run.glob("runtime/*/state.json"))
    assert len(states) == 1, "runc keeps its state in the task's folder"
