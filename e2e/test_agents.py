"""An agent of its own and a control plane that comes and goes: nothing is lost, nothing is doubled."""

import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from conftest import runs_containers
from region import BINARY, Region
from test_containers import demo
from until import until


class Agent:
    """`landfall agent` on this machine, without a region around it."""

    def __init__(self, region):
        self.region = region
        self.data = tempfile.mkdtemp(prefix="landfall-agent-")
        self.name = f"landfall/{Path(self.data).name}"
        self.run = f"/run/{self.name}"
        self.log = open(self.data + ".log", "ab")
        self.process = None

    def start(self):
        self.process = subprocess.Popen(
            [BINARY, "agent", "--endpoint", self.region.endpoint, "--data", self.data,
             "--run", self.run, "--cgroup", self.name, "--cpu", "4096", "--memory", "4096"],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            env={**os.environ, **self.region.environment})

    def kill(self):
        self.process.kill()
        self.process.wait()

    def tail(self):
        self.log.flush()
        return Path(self.log.name).read_text(errors="replace")

    def end(self):
        if self.process.poll() is not None:
            self.start()
        # A task may be over for the world before its agent has tidied up behind it.
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait() == 0, self.tail()
        self.log.close()
        os.unlink(self.log.name)
        shutil.rmtree(self.data)
        places = [self.run, f"/sys/fs/cgroup/{self.name}", *glob.glob(f"/sys/fs/cgroup/*/{self.name}")]
        left = [it for it in places if os.path.exists(it)]
        assert not left, f"an agent without tasks leaves {left}"


@pytest.fixture
def both():
    """A control plane of its own and an agent that has not started."""
    if not runs_containers():
        pytest.skip("containers need root and a binary that runs them")
    region = Region("--give-up-after", "0").start()
    agent = Agent(region)
    try:
        yield region, agent
    finally:
        try:
            if region.process.poll() is not None:
                region.start()
            ecs = region.client(retries=3)
            if agent.process.poll() is not None:
                agent.start()
            # It has looked at what it had before, if it was started only now.
            over(ecs, start(ecs, "exit", "0"))
            for arn in ecs.list_tasks()["taskArns"]:
                ecs.stop_task(task=arn)
            for arn in ecs.list_tasks(desiredStatus="STOPPED")["taskArns"]:
                over(ecs, arn)
        finally:
            try:
                agent.end()
            finally:
                region.down()


def connected(ecs):
    arns = ecs.list_container_instances()["containerInstanceArns"]
    if not arns:
        return False
    found = ecs.describe_container_instances(containerInstances=arns)["containerInstances"]
    return [it for it in found if it["agentConnected"]]


def start(ecs, *words):
    answer = ecs.run_task(taskDefinition=ecs.register_task_definition(
        family="f", containerDefinitions=[demo(*words)], networkMode="none")["taskDefinition"][
        "taskDefinitionArn"])
    assert not answer["failures"], answer["failures"]
    return answer["tasks"][0]["taskArn"]


def look(ecs, arn):
    return ecs.describe_tasks(tasks=[arn])["tasks"][0]


def over(ecs, arn, within=60):
    return until(lambda: (it := look(ecs, arn))["lastStatus"] == "STOPPED" and it, within,
                 what="STOPPED")


def runs(arn):
    """Whether a container of the task runs on this machine."""
    task = arn.rsplit("/", 1)[1].encode()
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and task in (folder / "cgroup").read_bytes():
                if b"demo" in (folder / "cmdline").read_bytes():
                    return True
        except OSError:
            pass
    return False


def test_an_agent_waits_until_the_one_before_it_has_taken_everything_away(both):
    region, agent = both
    agent.start()
    ecs = region.client()
    first = agent.process
    until(lambda: connected(ecs), 30, what="the first one is connected")
    agent.start()
    first.send_signal(signal.SIGINT)
    assert first.wait() == 0
    # The second one has a machine to itself now: what the first one had is gone, and made anew.
    assert over(ecs, start(ecs, "exit", "7"))["containers"][0]["exitCode"] == 7


def test_an_agent_waits_for_its_control_plane_and_reports_what_happened_meanwhile(both):
    region, agent = both
    region.stop()
    agent.start()
    until(lambda: "not registered yet" in agent.tail(), 20, what="the agent tries in vain")
    assert agent.process.poll() is None
    region.start()
    ecs = region.client(retries=3)
    until(lambda: connected(ecs), 30, what="the agent has joined")

    stays, ends = start(ecs, "sleep"), [start(ecs, "exit", str(code), "4") for code in (3, 4, 5)]
    for arn in [stays, *ends]:
        # Whoever looks late finds that some have ended.
        until(lambda: look(ecs, arn)["lastStatus"] in ("RUNNING", "STOPPED"), 40, what="RUNNING")
    before = look(ecs, stays)["containers"][0]["runtimeId"]
    region.kill()
    until(lambda: not any(runs(arn) for arn in ends), 30, what="three containers have ended")
    assert runs(stays)
    # The agent too is gone for a while, and knows it all from what it has written down.
    agent.kill()
    agent.start()
    region.start()
    for arn, code in zip(ends, (3, 4, 5)):
        assert over(ecs, arn)["containers"][0]["exitCode"] == code
    after = look(ecs, stays)
    assert (after["lastStatus"], after["containers"][0]["runtimeId"]) == ("RUNNING", before)
    assert runs(stays)


def test_an_agent_killed_at_any_moment_of_a_task_s_life_tells_its_truth(both):
    region, agent = both
    agent.start()
    ecs = region.client(retries=3)
    until(lambda: connected(ecs), 30, what="the agent has joined")
    for number in range(12):
        code = 10 + number
        # Kills fall before the pull, between steps of the start, and around the exit.
        arn = start(ecs, "exit", str(code))
        time.sleep(number * 0.03)
        agent.kill()
        agent.start()
        found = over(ecs, arn)
        assert found["containers"][0].get("exitCode") == code, (number, found["stoppedReason"])
        assert found["stopCode"] == "EssentialContainerExited"
