"""Services are changed while everything dies at random; once it is quiet each is what it was asked to be.

The seed is printed; `LANDFALL_CHAOS_SEED` sets it, `LANDFALL_CHAOS_SECONDS` says how long things die.
"""

import json
import os
import random
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

import name_server
from conftest import runs_containers
from processes import Machine, children, kill
from region import Region
from until import until
from web import balancers

SECONDS = float(os.environ.get("LANDFALL_CHAOS_SECONDS", "12"))
# Silence that counts as loss, and how long after it tasks are given up.
LOST, GIVEN_UP = 5, 6
PORT = 8080
PATHS = {"address": "/", "port": "/port"}


class Chaos:
    def __init__(self, seed):
        self.seed, self.dice = seed, random.Random(seed)
        self.region = Region("--lost-after", str(LOST), "--give-up-after", str(GIVEN_UP), command="up")
        self.machine = Machine(self.region)
        self.over = threading.Event()
        self.wrong, self.done = [], []
        self.desired, self.groups, self.versions = {}, {}, {}

    # What is there.

    def begin(self):
        self.region.start(within=90)
        self.ecs, self.elbv2 = self.region.client(), self.region.client("elbv2")
        until(lambda: self.region.connected() == 3, 60, what="three instances")
        subnets = self.region.client("ec2").describe_subnets()["Subnets"]
        self.network = {"awsvpcConfiguration": {"subnets": [it["SubnetId"] for it in subnets]}}
        made = self.elbv2.create_load_balancer(
            Name="chaos", Subnets=self.network["awsvpcConfiguration"]["subnets"])["LoadBalancers"][0]
        for name, kind in [("address", "ip"), ("port", "instance")]:
            group = self.groups[name] = self.elbv2.create_target_group(
                Name=name, Protocol="HTTP", Port=PORT, VpcId=subnets[0]["VpcId"], TargetType=kind,
                HealthCheckIntervalSeconds=5, HealthCheckTimeoutSeconds=2, HealthyThresholdCount=2,
                UnhealthyThresholdCount=2)["TargetGroups"][0]["TargetGroupArn"]
            self.elbv2.modify_target_group_attributes(TargetGroupArn=group, Attributes=[
                {"Key": "deregistration_delay.timeout_seconds", "Value": "2"}])
        forward = lambda name: [{"Type": "forward", "TargetGroupArn": self.groups[name]}]
        listener = self.elbv2.create_listener(
            LoadBalancerArn=made["LoadBalancerArn"], Protocol="HTTP", Port=80,
            DefaultActions=forward("address"))["Listeners"][0]["ListenerArn"]
        self.elbv2.create_rule(ListenerArn=listener, Priority=1, Actions=forward("port"), Conditions=[
            {"Field": "path-pattern", "Values": ["/port"]}])
        self.node = name_server.ask(self.region, made["DNSName"])[1][0]
        for name, count in [("address", 4), ("port", 3), ("everywhere", None)]:
            self.create(name, count)
        until(lambda: all(self.settled(it) for it in self.desired), 60, what="services are there")

    def define(self, name, **settings):
        """Registers a version of it that works, unless the settings say otherwise."""
        number = self.versions[name] = self.versions.get(name, 0) + 1
        web = {"name": "web", "image": "landfall/demo", "command": ["web", str(PORT)], "cpu": 8,
               "memory": 24 + number % 8, "stopTimeout": 2, "portMappings": [{"containerPort": PORT}]}
        mode = {"address": "awsvpc", "port": "bridge", "everywhere": "none"}[name]
        if mode == "none":
            web |= {"command": ["sleep"], "portMappings": []}
        return self.ecs.register_task_definition(
            family=name, networkMode=mode, containerDefinitions=[{**web, **settings}],
        )["taskDefinition"]["taskDefinitionArn"]

    def create(self, name, count):
        self.desired[name] = 3 if count is None else count
        behind = {"loadBalancers": [{"targetGroupArn": self.groups[name], "containerName": "web",
                                     "containerPort": PORT}]} if name in self.groups else {}
        self.ecs.create_service(
            serviceName=name, taskDefinition=self.define(name), **behind,
            **({"schedulingStrategy": "DAEMON"} if count is None else {"desiredCount": count}),
            **({"networkConfiguration": self.network} if name == "address" else {}),
            deploymentConfiguration={"deploymentCircuitBreaker": {"enable": True, "rollback": True}})

    # Who changes it.

    def say(self, action, **words):
        """Says something until it is answered, as SDKs do."""
        def answer():
            try:
                return action(**words)
            except ClientError as error:
                if error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
                    raise
            except Exception:  # Not there, or gone in the middle.
                return None
        self.done.append((action.__name__, words))
        return until(answer, 60, what="an answer")

    def change(self):
        dice = random.Random(f"{self.seed}/changes")
        try:
            while not self.over.is_set():
                self.one_change(dice)
                self.over.wait(dice.uniform(0.1, 2))
        except Exception as error:
            self.wrong.append(repr(error))

    def one_change(self, dice):
        name = dice.choice(list(self.desired))
        what = dice.choices(["scale", "update", "bad", "force", "stop", "drain"], [4, 3, 1, 1, 3, 1])[0]
        if what == "scale" and name in self.groups:
            self.desired[name] = dice.randint(1, 6)
            self.say(self.ecs.update_service, service=name, desiredCount=self.desired[name])
        elif what == "update":
            self.say(self.ecs.update_service, service=name, taskDefinition=self.say_define(name))
        elif what == "bad":
            bad = dice.choice([{"image": "no/such:image"}, {"command": ["exit", "3"]}])
            self.say(self.ecs.update_service, service=name, taskDefinition=self.say_define(name, **bad))
        elif what == "force":
            self.say(self.ecs.update_service, service=name, forceNewDeployment=True)
        elif what == "stop":
            tasks = self.say(self.ecs.list_tasks, serviceName=name)["taskArns"]
            if tasks:
                self.say(self.ecs.stop_task, task=dice.choice(tasks), reason="chaos")
        elif what == "drain":
            for status in ["DRAINING", "ACTIVE"]:
                instance = dice.choice(self.say(self.ecs.list_container_instances)["containerInstanceArns"])
                self.say(self.ecs.update_container_instances_state, containerInstances=[instance],
                         status=status)
                self.over.wait(dice.uniform(0, 3))

    def say_define(self, name, **settings):
        def register_task_definition():
            return self.define(name, **settings)
        return self.say(register_task_definition)

    # What dies.

    def strike(self):
        what = self.dice.choices(["region", "agent", "shim", "container", "balancer"], [2, 3, 2, 3, 1])[0]
        self.done.append((what, {}))
        if what == "region":
            self.region.kill()
            time.sleep(self.dice.choice([0, 0.5, 2]))
            self.region.start(within=60)
        elif what in ("agent", "balancer"):
            found = sorted(self.machine.agents() if what == "agent" else balancers(self.region))
            for it in self.dice.sample(found, min(len(found), self.dice.choice([1, 1, 3]))):
                kill(it)
        elif shims := sorted(self.machine.shims().items()):
            _, shim = self.dice.choice(shims)
            if what == "shim":
                kill(shim)
            elif found := children(shim):
                kill(self.dice.choice(found))

    def run(self):
        self.begin()
        changes = threading.Thread(target=self.change)
        changes.start()
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            time.sleep(self.dice.uniform(0.2, 1.5))
            self.strike()
        self.over.set()
        changes.join()
        assert not self.wrong, self.wrong
        for it in self.ecs.list_container_instances()["containerInstanceArns"]:
            self.ecs.update_container_instances_state(containerInstances=[it], status="ACTIVE")

    # The truth.

    def service(self, name):
        return self.ecs.describe_services(services=[name])["services"][0]

    def tasks(self, name):
        arns = self.ecs.list_tasks(serviceName=name)["taskArns"]
        return self.ecs.describe_tasks(tasks=arns)["tasks"] if arns else []

    def settled(self, name):
        """Whether it is what it was asked to be, by its own word, its tasks and its targets."""
        service, tasks = self.service(name), self.tasks(name)
        desired = self.desired[name]
        return (service["desiredCount"] == service["runningCount"] == len(tasks) == desired
                and service["pendingCount"] == 0
                and [it["rolloutState"] for it in service["deployments"]] == ["COMPLETED"]
                and all(it["lastStatus"] == "RUNNING" for it in tasks)
                and {it["taskDefinitionArn"] for it in tasks} == {service["taskDefinition"]}
                and (name not in self.groups or self.targets(name) == self.places(tasks)))

    def targets(self, name):
        """Where its healthy targets are; one that is not tells its state instead."""
        return sorted(
            (it["Target"]["Id"], it["Target"]["Port"])
            if it["TargetHealth"]["State"] == "healthy" else (it["TargetHealth"]["State"], 0)
            for it in self.elbv2.describe_target_health(
                TargetGroupArn=self.groups[name])["TargetHealthDescriptions"])

    def places(self, tasks):
        """Where they are, as targets are told."""
        if tasks and tasks[0]["attachments"]:
            return sorted((detail["value"], PORT) for it in tasks
                          for detail in it["attachments"][0]["details"]
                          if detail["name"] == "privateIPv4Address")
        arns = sorted({it["containerInstanceArn"] for it in tasks})
        rows = self.ecs.describe_container_instances(containerInstances=arns)["containerInstances"]
        hosts = {it["containerInstanceArn"]: it["ec2InstanceId"] for it in rows}
        return sorted((hosts[it["containerInstanceArn"]], binding["hostPort"]) for it in tasks
                      for binding in it["containers"][0]["networkBindings"])

    def check(self):
        until(lambda: self.region.connected() == 3, 60, what="three instances")
        for name in self.desired:
            try:
                until(lambda: self.settled(name), 90, 0.2, f"{name} is what it was asked to be")
            except AssertionError as error:
                self.tell(name, error)
        running = {it["taskArn"].rsplit("/", 1)[1]: 1 for name in self.desired for it in self.tasks(name)}
        until(lambda: self.machine.containers() == running, 60, what="containers are those of the tasks")
        placed = [it["containerInstanceArn"] for it in self.tasks("everywhere")]
        assert len(set(placed)) == 3, placed
        for name in self.groups:
            unheard = {it["taskArn"].encode() for it in self.tasks(name)}
            until(lambda: self.unheard(name, unheard) == set(), 60, what=f"every task of {name} answers")

    def unheard(self, name, tasks):
        """Those of the tasks that have not answered, after one request more."""
        with urllib.request.urlopen(f"http://{self.node}{PATHS[name]}", timeout=30) as answer:
            body = answer.read()
        tasks -= {it for it in tasks if it in body}
        return tasks

    def tell(self, name, error):
        service = self.service(name)
        short = {it: service[it] for it in ("desiredCount", "runningCount", "pendingCount", "deployments")}
        events = [it["message"] for it in service["events"][:25]]
        targets = self.targets(name) if name in self.groups else None
        tasks = [(it["taskArn"][-6:], it["lastStatus"], it["desiredStatus"]) for it in self.tasks(name)]
        raise AssertionError("\n".join(map(str, [
            error, f"wanted {self.desired[name]}", json.dumps(short, default=str, indent=1), targets,
            self.places(self.tasks(name)), tasks, *events, *self.done[-40:], self.region.tail()]))) from None


def test_services_are_what_they_were_asked_to_be_once_it_is_quiet():
    if not runs_containers():
        pytest.skip("containers need root and a binary that runs them")
    seed = int(os.environ.get("LANDFALL_CHAOS_SEED") or random.SystemRandom().randrange(1 << 32))
    print(f"LANDFALL_CHAOS_SEED={seed}")
    chaos = Chaos(seed)
    try:
        chaos.run()
        chaos.check()
        assert "panicked" not in Path(chaos.region.log.name).read_text(errors="replace")
        assert chaos.region.stop() == 0
        down = chaos.region.landfall("down", check=False)
        assert down.returncode == 0, down.stdout + down.stderr
        assert not chaos.machine.shims()
    finally:
        chaos.region.down()
