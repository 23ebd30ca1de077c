"""RunTask to the container running, against `runc run -d` of the same files, in turn; against
`docker run -d` of the same image too, where there is a Docker.

Ours is counted from before the request is sent until DescribeTasks would say RUNNING: the control
plane's `startedAt`, which is taken when the agent's report arrives. runc is counted from the start
of the command to its end, which is when the container runs.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "e2e"))
LAUNCHES = 15
MODES = ["none", "bridge", "awsvpc"]


class Runc:
    """A bundle of the same small root."""

    def __init__(self, folder):
        self.bundle = Path(folder) / "bundle"
        tools = self.bundle / "rootfs/bin"
        tools.mkdir(parents=True)
        for name in ("proc", "dev", "sys", "tmp"):
            (self.bundle / "rootfs" / name).mkdir()
        shutil.copy(shutil.which("busybox") or "/bin/busybox", tools / "busybox")
        (tools / "sleep").symlink_to("busybox")
        subprocess.run(["runc", "spec"], cwd=self.bundle, check=True)
        path = self.bundle / "config.json"
        config = json.loads(path.read_text())
        config["process"].update(terminal=False, args=["sleep", "1000"])
        path.write_text(json.dumps(config))
        self.number = 0

    def launch(self):
        self.number += 1
        name = f"landfall-bench-{os.getpid()}-{self.number}"
        begun = time.time()
        subprocess.run(["runc", "run", "-d", "--bundle", str(self.bundle), name], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
        took = time.time() - begun
        subprocess.run(["runc", "delete", "--force", name], check=True)
        return took * 1000


class Ours:
    """A region of one instance with the same root as an image."""

    def __init__(self, folder):
        import image
        from region import Region
        from until import until
        self.until = until
        self.region = Region("--instances", "1", command="up").start(90)
        self.archive = image.archive(Path(folder) / "image.tar")
        self.region.landfall("image", "load", str(self.archive))
        self.ecs = self.region.client()
        subnets = self.region.client("ec2").describe_subnets()["Subnets"]
        network = {"awsvpcConfiguration": {"subnets": [it["SubnetId"] for it in subnets]}}
        self.asks = {}
        for mode in MODES:
            self.ecs.register_task_definition(
                family=mode, networkMode=mode, containerDefinitions=[
                    {"name": "main", "image": image.NAME, "memory": 32, "stopTimeout": 2,
                     "command": ["sleep", "1000"]}])
            self.asks[mode] = {"taskDefinition": mode,
                               **({"networkConfiguration": network} if mode == "awsvpc" else {})}
        until(lambda: self.ecs.list_container_instances(
            filter="agentConnected == true")["containerInstanceArns"], 60, what="an instance")

    def launch(self, mode):
        begun = time.time()
        answer = self.ecs.run_task(**self.asks[mode])
        assert answer["tasks"], answer["failures"]
        task = answer["tasks"][0]["taskArn"]
        look = lambda: self.ecs.describe_tasks(tasks=[task])["tasks"][0]
        found = self.until(lambda: (it := look()).get("startedAt") and it, 30, 0.02, "RUNNING")
        self.ecs.stop_task(task=task)
        self.until(lambda: look()["lastStatus"] == "STOPPED", 30, 0.05, "STOPPED")
        return (found["startedAt"].timestamp() - begun) * 1000


def run():
    print("\n## RunTask to running, against `runc run -d` of the same files, p50 in ms", flush=True)
    if os.geteuid() != 0 or not shutil.which("runc"):
        print("  not measured: needs root and runc")
        return
    import docker_peer
    with tempfile.TemporaryDirectory(prefix="landfall-bench-") as folder:
        peer, ours = Runc(folder), Ours(folder)
        try:
            launches = {"runc": peer.launch, **{it: partial(ours.launch, it) for it in MODES}}
            if docker_peer.present():
                docker = docker_peer.Docker(ours.archive)
                launches |= {f"docker {it}": partial(docker.launch, it) for it in ("none", "bridge")}
            else:
                print("  docker: not measured, no daemon answers")
            taken = {name: [] for name in launches}
            for number in range(LAUNCHES + 2):
                for name, launch in launches.items():
                    took = launch()
                    if number >= 2:
                        taken[name].append(took)
            for name, all_of in taken.items():
                p50 = statistics.median(all_of)
                print(f"  {name:<13} p50 {p50:6.1f}  max {max(all_of):6.1f}"
                      f"  beyond runc {p50 - statistics.median(taken['runc']):+6.1f}", flush=True)
        finally:
            ours.region.down()
