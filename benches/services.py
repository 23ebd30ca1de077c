"""Services: how soon fifty tasks serve, and how soon a killed task is replaced.

Fifty tasks serve when each of them has answered through the load balancer, counted from before the
request that asks for them. Docker Swarm does the same with the same image where there is one.

A replacement is counted from the kill of a container's first process until another task runs: the
control plane's `startedAt`, which is taken when the agent's report arrives.
"""

import os
import re
import signal
import statistics
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "e2e"))

import image
import name_server
from docker_peer import Swarm
from region import Region
from until import until

TASKS = 50
ROUNDS = 3
# A web server whose answer tells which one it is.
COMMAND = ["sh", "-c", "hostname > /tmp/index.html; exec busybox httpd -f -p 8080 -h /tmp"]
KILLS = 20


def first_process(task):
    """The process of a task's container that is the first in there."""
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and task in (folder / "cgroup").read_text():
                numbers = re.search(r"^NSpid:(.*)$", (folder / "status").read_text(), re.M)[1].split()
                if len(numbers) > 1 and numbers[-1] == "1":
                    return int(folder.name)
        except OSError:
            continue
    raise SystemExit(f"bench: task {task} has no process")


class Ours:
    """A region with a service of no tasks behind a load balancer."""

    def __init__(self, region, archive):
        region.landfall("image", "load", str(archive))
        self.ecs, elbv2 = region.client(), region.client("elbv2")
        until(lambda: region.connected() == 3, 60, what="three instances")
        subnets = region.client("ec2").describe_subnets()["Subnets"]
        balancer = elbv2.create_load_balancer(
            Name="web", Subnets=[it["SubnetId"] for it in subnets])["LoadBalancers"][0]
        group = elbv2.create_target_group(
            Name="web", Protocol="HTTP", Port=8080, VpcId=subnets[0]["VpcId"],
            TargetType="instance")["TargetGroups"][0]["TargetGroupArn"]
        elbv2.modify_target_group_attributes(TargetGroupArn=group, Attributes=[
            {"Key": "deregistration_delay.timeout_seconds", "Value": "0"}])
        elbv2.create_listener(LoadBalancerArn=balancer["LoadBalancerArn"], Protocol="HTTP", Port=80,
                              DefaultActions=[{"Type": "forward", "TargetGroupArn": group}])
        self.ecs.register_task_definition(family="web", containerDefinitions=[
            {"name": "web", "image": image.NAME, "command": COMMAND, "cpu": 10, "memory": 16,
             "portMappings": [{"containerPort": 8080}], "stopTimeout": 2}])
        self.ecs.create_service(
            serviceName="web", taskDefinition="web", desiredCount=0, loadBalancers=[
                {"targetGroupArn": group, "containerName": "web", "containerPort": 8080}])
        self.address = name_server.ask(region, balancer["DNSName"])[1][0]

    def running(self):
        return self.ecs.describe_services(services=["web"])["services"][0]["runningCount"]

    def tasks(self):
        return self.ecs.list_tasks(serviceName="web")["taskArns"]

    def ask(self, count):
        self.ecs.update_service(service="web", desiredCount=count)

    def settle(self, count):
        self.ask(count)
        until(lambda: len(self.tasks()) == self.running() == count, 120, 0.05, f"{count} run")

    def scale(self, count):
        """Seconds until all run, and until all have answered."""
        begun = time.time()
        self.ask(count)
        seen = set()
        until(lambda: self.hear(seen) == count, 120, 0, "all answer")
        serving = time.time() - begun
        until(lambda: self.running() == count, 60, 0.02, "all run")
        rows = self.ecs.describe_tasks(tasks=self.tasks())["tasks"]
        return max(it["startedAt"] for it in rows).timestamp() - begun, serving

    def hear(self, seen):
        try:
            with urllib.request.urlopen(f"http://{self.address}/", timeout=5) as answer:
                seen.add(answer.read())
        except OSError:
            time.sleep(0.005)
        return len(seen)


def starts(ours, swarm):
    """Fifty tasks from none, in turn."""
    ratios = []
    for _ in range(ROUNDS):
        running, serving = ours.scale(TASKS)
        line = f"  0 to {TASKS} tasks: running {running:.2f} s, all serving {serving:.2f} s"
        ours.settle(0)
        if swarm:
            theirs, answered = swarm.scale(TASKS)
            ratios.append(serving / (answered or theirs))
            line += f"; Swarm: running {theirs:.2f} s, all serving " + (
                f"{answered:.2f} s" if answered else "never, its mesh does not carry on this kernel")
        print(line, flush=True)
    if ratios:
        print(f"  ours serving to Swarm's serving (or, without its mesh, running):"
              f" {statistics.median(ratios):.3f}", flush=True)
    else:
        print("  Swarm: not measured, there is none (`docker swarm init`)", flush=True)


def kills(ours):
    """Tasks of a service of three, killed one after another."""
    ours.settle(3)
    taken = []
    for _ in range(KILLS):
        before = set(ours.tasks())
        victim = min(before)
        killed = time.time()
        os.kill(first_process(victim.rsplit("/", 1)[1]), signal.SIGKILL)
        fresh = until(lambda: set(ours.tasks()) - before, 60, 0.02, "a replacement")
        look = lambda: ours.ecs.describe_tasks(tasks=list(fresh))["tasks"][0]
        row = until(lambda: (it := look()).get("startedAt") and it, 60, 0.02, "it runs")
        taken.append((row["startedAt"].timestamp() - killed) * 1000)
        until(lambda: ours.running() == 3, 60, 0.05, "three run")
    print(f"  kill to running: p50 {statistics.median(taken):.0f} ms, max {max(taken):.0f} ms",
          flush=True)


def run():
    print("\n## Services: 0 to 50 tasks that serve; a killed task to its replacement", flush=True)
    if os.geteuid() != 0:
        print("  not measured: needs root")
        return
    with tempfile.TemporaryDirectory(prefix="landfall-bench-") as folder:
        archive = image.archive(Path(folder) / "image.tar")
        region = Region(command="up").start(90)
        try:
            ours = Ours(region, archive)
            starts(ours, Swarm(archive, COMMAND) if Swarm.present() else None)
            kills(ours)
        finally:
            region.down()
