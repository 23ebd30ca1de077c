"""The numbers of docs/performance.md: pairs measured in one run, in turn, and their ratios.

Every pair is (ours, peer). Repetitions alternate and change their order, and the ratio of each
repetition is shown beside the median, because machines are never quiet.
"""

import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BINARY = os.environ.get("LANDFALL") or str(ROOT / "target/release/landfall")
LOAD = os.environ.get("LANDFALL_LOAD") or str(ROOT / "target/release/load")
REPETITIONS = int(os.environ.get("REPETITIONS", "3"))
SECONDS = float(os.environ.get("SECONDS_EACH", "4"))
CLIENTS = 64
DEADLINE = 60


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def wait_for(url):
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"bench: nothing answers at {url}")


class Server:
    """A process that serves, and how to reach it."""

    def __init__(self, words, ready, folder=None):
        self.port = free_port()
        self.folder = folder
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.key = ("test", "test")
        self.process = subprocess.Popen(
            [it.replace("PORT", str(self.port)) for it in words],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(self.endpoint + ready)

    def load(self, *words):
        """Runs the load tool against it; gives its result."""
        done = subprocess.run(self.load_words(*words), capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"bench: {done.stderr}")
        return json.loads(done.stdout)

    def load_words(self, *words):
        return [LOAD, "--endpoint", self.endpoint, "--access-key-id", self.key[0],
                "--secret-access-key", self.key[1], *words]

    def ask(self, operation, **body):
        """An unsigned request; for servers that do not look."""
        request = urllib.request.Request(
            self.endpoint, json.dumps(body).encode(),
            {"X-Amz-Target": f"AmazonEC2ContainerServiceV20141113.{operation}",
             "Content-Type": "application/x-amz-json-1.1",
             "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ecs/aws4_request, "
                              "SignedHeaders=host, Signature=00"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def memory(self):
        """Resident memory, and its peak, in MiB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        read = lambda name: int(re.search(rf"{name}:\s+(\d+)", text)[1]) / 1024
        return read("VmRSS"), read("VmHWM")

    def cpu(self):
        """Seconds of CPU so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)


class Ours(Server):
    """A control plane with instances that run nothing: they register, hold their sessions and
    acknowledge what they are told."""

    def __init__(self, *flags, instances=300, cpu=1_000_000, report=False, told=True):
        folder = tempfile.mkdtemp(prefix="landfall-bench-")
        super().__init__([BINARY, "server", "--data", folder, "--listen", "127.0.0.1:PORT",
                          "--lost-after", "3600", *flags], "/_landfall/ready", folder)
        exports = subprocess.run([BINARY, "env", "--data", folder], capture_output=True, text=True,
                                 check=True).stdout
        found = dict(re.findall(r"^export (\w+)=(.*)$", exports, re.M))
        self.key = (found["AWS_ACCESS_KEY_ID"], found["AWS_SECRET_ACCESS_KEY"])
        self.instances = subprocess.Popen(
            self.load_words("instances", "--cluster", "default", "--count", str(instances),
                            "--cpu", str(cpu), "--memory", str(cpu),
                            *(["--report"] if report else [])),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.instances.stdout.readline().strip() != "ready":
            raise SystemExit("bench: the instances have no sessions")
        self.register()
        if not told:
            # They stay connected for --lost-after; nobody listens to what they are told.
            self.hang_up()

    def hang_up(self):
        self.instances.stdin.close()
        self.instances.wait(DEADLINE)

    def register(self):
        # `load` signs; a task definition is registered by it as any client would.
        body = {"family": "bench", "containerDefinitions": [
            {"name": "main", "image": "landfall/demo", "cpu": 1, "memory": 6}]}
        self.load("ask", "--operation", "RegisterTaskDefinition", "--body", json.dumps(body))

    def stop(self):
        if self.instances.poll() is None:
            self.hang_up()
        super().stop()


class Moto(Server):
    """moto's server with one container instance of its own."""

    def __init__(self):
        super().__init__([str(Path(sys.executable).parent / "moto_server"), "-p", "PORT"],
                         "/moto-api/")
        self.ask("CreateCluster", clusterName="default")
        self.ask("RegisterTaskDefinition", family="bench", containerDefinitions=[
            {"name": "main", "image": "landfall/demo", "cpu": 0, "memory": 0}])
        document = self.instance_document()
        self.ask("RegisterContainerInstance", cluster="default", instanceIdentityDocument=document)

    def instance_document(self):
        """moto wants an instance of its EC2; the Query protocol makes one."""
        form = ("Action=RunInstances&Version=2016-11-15&ImageId=ami-12c6146b&MinCount=1&MaxCount=1"
                "&InstanceType=t3.micro")
        request = urllib.request.Request(
            self.endpoint, form.encode(),
            {"Content-Type": "application/x-www-form-urlencoded",
             "Authorization": "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/ec2/aws4_request, "
                              "SignedHeaders=host, Signature=00"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            found = re.search(rb"<instanceId>(i-\w+)<", answer.read())[1].decode()
        return json.dumps({"instanceId": found, "region": "us-east-1", "accountId": "123456789012"})

    def stop(self):
        self.process.terminate()
        self.process.wait(15)


def run_task(server, *words, seconds=SECONDS, clients=CLIENTS):
    # A second of warming up: connections, first pages, moto's imports.
    server.load("run-task", "--cluster", "default", "--task-definition", "bench",
                "--clients", str(clients), "--seconds", "1")
    before = server.cpu()
    result = server.load("run-task", "--cluster", "default", "--task-definition", "bench",
                         "--clients", str(clients), "--seconds", str(seconds), *words)
    result["cpu_microseconds_per_request"] = round(
        (server.cpu() - before) * 1e6 / max(1, result["requests"]))
    if result["errors"] or result["failures"]:
        print(f"  ! {result['errors']} errors, {result['failures']} failures: {result['first_error']}")
    return result


def alternate(title, goal, first, second, measure, figure):
    """Measures two sides in turn; prints each repetition's figures and ratio, and the median."""
    print(f"\n## {title}", flush=True)
    ratios = []
    for repetition in range(REPETITIONS):
        sides = [first, second] if repetition % 2 == 0 else [second, first]
        figures = {}
        for name, make in sides:
            server = make()
            try:
                result = measure(server)
            finally:
                server.stop()
            figures[name] = figure(result)
            print(f"  {name:<28} {json.dumps(result)}", flush=True)
        ratios.append(figures[first[0]] / figures[second[0]])
        print(f"  ratio {ratios[-1]:.2f}", flush=True)
    print(f"  => median ratio {statistics.median(ratios):.2f} of "
          f"{[round(it, 2) for it in ratios]}, goal {goal}", flush=True)


def against_moto():
    figure = lambda it: it["requests_per_second"]
    alternate("RunTask, 64 clients: durable and signed, against moto's server; neither tells anybody",
              ">= 20", ("landfall", lambda: Ours(told=False)), ("moto", Moto), run_task, figure)
    alternate("the same, while 300 instances are told of every task and acknowledge it", "none",
              ("landfall, telling", Ours), ("moto", Moto), run_task, figure)


def slow_disk():
    figure = lambda it: it["requests_per_second"]
    for title, told in (("", True), (", telling nobody", False)):
        alternate(f"RunTask, 64 clients{title}: syncs of 4 ms against instant ones", ">= 0.8",
                  ("4 ms", lambda: Ours("--disk-delay-ms", "4", told=told)),
                  ("instant", lambda: Ours("--disk-delay-ms", "0", told=told)),
                  run_task, figure)


def latency():
    print("\n## RunTask at 200 requests/s, syncs of 4 ms: p99 <= 50 ms", flush=True)
    for _ in range(REPETITIONS):
        server = Ours("--disk-delay-ms", "4")
        try:
            print(f"  {json.dumps(run_task(server, '--rate', '200', seconds=10))}", flush=True)
        finally:
            server.stop()


def memory():
    print("\n## Control plane with 5,000 instances and 100,000 tasks: <= 512 MiB", flush=True)
    server = Ours(instances=5000, cpu=1000, report=True)
    try:
        print("  with instances: resident %.0f MiB, peak %.0f MiB" % server.memory(), flush=True)
        done = 0
        while done < 100_000:
            result = server.load("run-task", "--cluster", "default", "--task-definition", "bench",
                                 "--clients", "32", "--seconds", "120", "--count", "10",
                                 "--requests-max", str((100_000 - done) // 10))
            done += result["tasks"]
            print(f"  {json.dumps(result)}", flush=True)
            if result["errors"] or not result["tasks"]:
                break
        end = time.monotonic() + 120
        while time.monotonic() < end:
            shown = server.load("ask", "--operation", "DescribeClusters", "--body", "{}")
            found = shown["clusters"][0]
            if found["pendingTasksCount"] == 0:
                break
            time.sleep(1)
        print(f"  {found['registeredContainerInstancesCount']} instances, "
              f"{found['runningTasksCount']} tasks RUNNING, {found['pendingTasksCount']} PENDING")
        print("  resident %.0f MiB, peak %.0f MiB" % server.memory(), flush=True)
    finally:
        server.stop()


def placement():
    print("\n## Placement decisions a second, one core", flush=True)
    subprocess.run(["cargo", "bench", "--locked", "-q", "-p", "plan", "--bench", "placement"],
                   cwd=ROOT, check=True)


def zone():
    print("\n## 1,000 services with 100,000 tasks lose a zone", flush=True)
    subprocess.run(["cargo", "bench", "--locked", "-q", "-p", "reconcilers", "--bench",
                    "loss_of_a_zone"], cwd=ROOT, check=True)


def containers():
    from containers import run
    run()


def services():
    from services import run
    run()


def changes():
    from changes import run
    run()


PARTS = {"moto": against_moto, "disk": slow_disk, "latency": latency, "placement": placement,
         "zone": zone, "containers": containers, "changes": changes, "services": services, "memory": memory}


def main():
    wanted = sys.argv[1:] or list(PARTS)
    unknown = set(wanted) - set(PARTS)
    if unknown:
        raise SystemExit(f"bench: no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    print(f"# {platform.platform()}, {os.cpu_count()} CPUs, load {os.getloadavg()}")
    for name in wanted:
        PARTS[name]()


if __name__ == "__main__":
    main()
