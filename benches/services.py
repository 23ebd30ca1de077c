"""Services: how soon fifty tasks serve, and how soon a killed task is replaced.

A replacement is counted from the kill of a container's first process until another task runs: the
control plane's `startedAt`, which is taken when the agent's report arrives.
"""

import os
import re
import signal
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "e2e"))
TASKS = 50
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


def run():
    print("\n## Services: 0 to 50 tasks that serve; a killed task to its replacement", flush=True)
    if os.geteuid() != 0:
        print("  not measured: needs root")
        return
    from region import Region
    from until import until
    region = Region(command="up").start(90)
    try:
        ecs = region.client()
        until(lambda: region.connected() == 3, 60, what="three instances")
        ecs.register_task_definition(family="web", containerDefinitions=[
            {"name": "web", "image": "landfall/demo", "command": ["web"], "cpu": 10, "memory": 16,
             "portMappings": [{"containerPort": 8080}], "stopTimeout": 2}])
        ecs.create_service(serviceName="web", taskDefinition="web", desiredCount=0)
        service = lambda: ecs.describe_services(services=["web"])["services"][0]
        begun = time.time()
        ecs.update_service(service="web", desiredCount=TASKS)
        until(lambda: service()["runningCount"] == TASKS, 120, 0.02, "all run")
        arns = ecs.list_tasks(serviceName="web")["taskArns"]
        rows = ecs.describe_tasks(tasks=arns)["tasks"]
        last = max(it["startedAt"] for it in rows)
        print(f"  0 to {TASKS} tasks running: {last.timestamp() - begun:.2f} s", flush=True)

        ecs.update_service(service="web", desiredCount=3)
        until(lambda: service()["runningCount"] == 3, 120, 0.05, "three run")
        taken = []
        for _ in range(KILLS):
            before = set(ecs.list_tasks(serviceName="web")["taskArns"])
            victim = min(before)
            killed = time.time()
            os.kill(first_process(victim.rsplit("/", 1)[1]), signal.SIGKILL)
            fresh = until(lambda: set(ecs.list_tasks(serviceName="web")["taskArns"]) - before, 60, 0.02,
                          "a replacement")
            look = lambda: ecs.describe_tasks(tasks=list(fresh))["tasks"][0]
            row = until(lambda: (it := look()).get("startedAt") and it, 60, 0.02, "it runs")
            taken.append((row["startedAt"].timestamp() - killed) * 1000)
            until(lambda: service()["runningCount"] == 3, 60, 0.05, "three run")
        print(f"  kill to running: p50 {statistics.median(taken):.0f} ms, max {max(taken):.0f} ms",
              flush=True)
    finally:
        region.down()
