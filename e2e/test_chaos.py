"""Control plane, agents, shims and containers die at random under load; afterwards the truth is told.

The seed is printed; `LANDFALL_CHAOS_SEED` sets it, `LANDFALL_CHAOS_SECONDS` says how long things die.
"""

import collections
import json
import os
import random
import threading
import time
import uuid
from pathlib import Path

import pytest

from conftest import runs_containers
from processes import Machine, children, kill
from region import Region
from until import until

SECONDS = float(os.environ.get("LANDFALL_CHAOS_SECONDS", "25"))
CLIENTS = 4
# Silence that counts as loss, and how long after it tasks are given up.
LOST, GIVEN_UP = 5, 6
KILLED, TERMINATED = 137, 143


def sleeper(name="main", **settings):
    return {"name": name, "image": "landfall/demo", "command": ["sleep"], "memory": 16, "cpu": 8,
            "stopTimeout": 2, **settings}


def ender(code, seconds, name="main", **settings):
    return {**sleeper(name, **settings), "command": ["exit", str(code), str(seconds)]}


# What is launched: containers, network mode, and how it ends if nobody touches it.
KINDS = {
    "stays": ([sleeper()], "none", None),
    "stays-bridge": ([{**sleeper(), "portMappings": [{"containerPort": 80}]}], "bridge", None),
    "stays-pair": ([sleeper(), sleeper("side")], "none", None),
    "ends": ([ender(7, 2)], "none", 7),
    "ends-at-once": ([ender(9, 0)], "bridge", 9),
    "ends-pair": ([ender(11, 3), sleeper("side", essential=False)], "host", 11),
}


class Chaos:
    def __init__(self, seed):
        self.seed = seed
        self.dice = random.Random(seed)
        self.region = Region("--lost-after", str(LOST), "--give-up-after", str(GIVEN_UP), command="up")
        self.machine = Machine(self.region)
        self.answers = collections.defaultdict(set)
        self.asked = {}
        self.stopped, self.touched = set(), set()
        self.over = threading.Event()
        self.wrong = []

    # The clients.

    def say(self, action):
        """Says something until it is answered, as SDKs do, also when all is over: what was asked for
        in vain would be missed afterwards."""
        def answer():
            try:
                return action()
            except self.client_error as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
                    raise
            except Exception:  # Not there, or gone in the middle.
                return None
        return until(answer, 60, what="an answer")

    def client(self, number):
        from botocore.exceptions import ClientError
        self.client_error = ClientError
        dice = random.Random(f"{self.seed}/{number}")
        ecs, mine = self.region.client(), []
        try:
            while not self.over.is_set():
                self.launch(ecs, dice, mine)
                if mine and dice.random() < 0.45:
                    self.stop(ecs, mine.pop(dice.randrange(len(mine))))
                self.over.wait(dice.uniform(0.05, 0.7))
        except Exception as error:
            self.wrong.append(f"client {number}: {error!r}")

    def launch(self, ecs, dice, mine):
        kind, count, token = dice.choice(list(KINDS)), dice.randint(1, 3), str(uuid.UUID(int=dice.getrandbits(128)))
        ask = dict(taskDefinition=kind, count=count, clientToken=token, startedBy=token)
        self.asked[token] = ask
        # Some clients did not hear the answer, and ask again.
        for _ in range(dice.choice([1, 1, 2, 3])):
            answer = self.say(lambda: ecs.run_task(**ask))
            self.answers[token].add(frozenset(it["taskArn"] for it in answer["tasks"]))
        mine.extend(it["taskArn"] for it in answer["tasks"])

    def stop(self, ecs, task):
        self.stopped.add(task)
        self.say(lambda: ecs.stop_task(task=task, reason="chaos"))

    # What dies.

    def strike(self):
        what = self.dice.choices(["region", "agent", "shim", "container"], [2, 4, 2, 3])[0]
        if what == "region":
            self.region.kill()
            time.sleep(self.dice.choice([0, 0.5, 2]))
            self.region.start(within=60)
        elif what == "agent":
            agents = self.machine.agents()
            for it in self.dice.sample(agents, min(len(agents), self.dice.choice([1, 1, 3]))):
                kill(it)
        else:
            shims = sorted(self.machine.shims().items())
            if not shims:
                return
            task, shim = self.dice.choice(shims)
            self.touched.add(task)
            if what == "shim":
                kill(shim)
            elif found := children(shim):
                kill(self.dice.choice(found))

    def run(self):
        self.region.start(within=90)
        ecs = self.region.client()
        for family, (containers, mode, _) in KINDS.items():
            ecs.register_task_definition(family=family, networkMode=mode, containerDefinitions=containers)
        self.wait_for_agents()
        clients = [threading.Thread(target=self.client, args=(it,)) for it in range(CLIENTS)]
        for it in clients:
            it.start()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(self.dice.uniform(0.2, 1.5))
            self.strike()
        self.over.set()
        for it in clients:
            it.join()
        assert not self.wrong, self.wrong

    # The truth.

    def wait_for_agents(self):
        ecs = self.region.client()

        def connected():
            arns = ecs.list_container_instances()["containerInstanceArns"]
            if len(arns) != 3:
                return False
            return all(it["agentConnected"] for it in ecs.describe_container_instances(
                containerInstances=arns)["containerInstances"])
        until(connected, 60, what=f"agents are connected\n{self.region.tail()}")

    def tasks(self):
        ecs = self.region.client()
        arns = [arn for status in ("RUNNING", "STOPPED")
                for page in ecs.get_paginator("list_tasks").paginate(desiredStatus=status)
                for arn in page["taskArns"]]
        found = {}
        for at in range(0, len(arns), 100):
            for it in ecs.describe_tasks(tasks=arns[at:at + 100])["tasks"]:
                found[it["taskArn"]] = it
        return found

    def settled(self):
        tasks = self.tasks()
        waiting = {arn: it["lastStatus"] for arn, it in tasks.items()
                   if it["lastStatus"] != "STOPPED"
                   and (it["lastStatus"] != "RUNNING" or it["desiredStatus"] == "STOPPED"
                        or KINDS[family(it)][2] is not None)}
        running = {arn.rsplit("/", 1)[1]: len(KINDS[family(it)][0])
                   for arn, it in tasks.items() if it["lastStatus"] == "RUNNING"}
        machine = self.machine.containers()
        return (waiting, running, machine, tasks)

    def check(self):
        self.wait_for_agents()
        last = []

        def quiet():
            last[:] = self.settled()
            waiting, running, machine, _ = last
            return not waiting and running == machine
        try:
            until(quiet, 60, every=0.5, what="containers and tasks agree")
        except AssertionError:
            waiting, running, found, tasks = last
            odd = set(waiting) | {arn for arn in tasks if
                                  running.get(arn.rsplit("/", 1)[1]) != found.get(arn.rsplit("/", 1)[1])}
            said = json.dumps([tasks[it] for it in odd if it in tasks][:3], default=str, indent=1)
            raise AssertionError(
                f"waiting {waiting}\nsaid {running}\nfound {found}\n{said}\n{self.region.tail()}") from None
        tasks = last[3]
        self.check_tokens(tasks)
        for it in tasks.values():
            problem = self.untrue(it)
            assert not problem, f"{problem}: {json.dumps(it, default=str, indent=1)}"

    def check_tokens(self, tasks):
        made = collections.defaultdict(set)
        for arn, it in tasks.items():
            made[it["startedBy"]].add(arn)
        for token, ask in self.asked.items():
            said = self.answers.get(token, set())
            assert len(said) <= 1, f"token {token} has had different answers: {said}"
            assert len(made[token]) <= ask["count"], f"token {token} has {made[token]}"
            for it in said:
                assert it == made[token], f"token {token}: {it} were told, {made[token]} are there"
        assert not set(made) - set(self.asked)

    def untrue(self, task):
        """What is not true of a task, if anything."""
        arn, kind = task["taskArn"], family(task)
        touched = arn.rsplit("/", 1)[1] in self.touched
        asked = arn in self.stopped
        own = KINDS[kind][2]
        if task["lastStatus"] != "STOPPED":
            return "was asked to stop and runs" if asked or own is not None else None
        codes = [it.get("exitCode") for it in task["containers"]]
        reason, code = task.get("stoppedReason"), task.get("stopCode")
        if not reason or not code or "stoppedAt" not in task:
            return "stopped without reason, code or time"
        if 0 in codes:
            return "no container of it could end with 0"
        if any(it["lastStatus"] != "STOPPED" for it in task["containers"]):
            return "a container of a stopped task is not stopped"
        given_up = task["containerInstanceArn"].rsplit("/", 1)[1] in reason
        if given_up or touched:
            return None
        if code == "UserInitiated" and not asked:
            return "nobody has stopped it"
        if asked and code == "UserInitiated":
            fine = {TERMINATED, KILLED, own, None}
            return None if set(codes) <= fine else "a stop does not end like that"
        if own is None:
            return "nobody has touched it and it does not end by itself"
        if code != "EssentialContainerExited":
            return "its essential container has ended by itself"
        main = next(it for it in task["containers"] if it["name"] == "main")
        return None if main.get("exitCode") == own else f"it ends with {own}"


def family(task):
    return task["taskDefinitionArn"].rsplit("/", 1)[1].split(":")[0]


def test_nothing_is_lost_doubled_or_misreported_while_everything_dies_at_random():
    if not runs_containers():
        pytest.skip("containers need root and a binary that runs them")
    seed = int(os.environ.get("LANDFALL_CHAOS_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"LANDFALL_CHAOS_SEED={seed}")
    chaos = Chaos(seed)
    try:
        chaos.run()
        chaos.check()
        assert "panicked" not in Path(chaos.region.log.name).read_text(errors="replace")
        check = chaos.region.landfall("journal", "check", check=False)
        assert check.returncode == 0, check.stdout + check.stderr
        assert chaos.region.stop() == 0
        down = chaos.region.landfall("down", check=False)
        assert down.returncode == 0, down.stdout + down.stderr
        assert not chaos.machine.shims()
    finally:
        chaos.region.down()
