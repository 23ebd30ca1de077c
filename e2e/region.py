"""A region under test: the built binary as a process, and clients that reach it."""

import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.request
from pathlib import Path

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from until import BUSY, until

BINARY = os.environ.get("LANDFALL") or str(
    Path(__file__).resolve().parent.parent / "target/release/landfall"
)


_given = set()


def free_port():
    """A port that nobody has on any address, that the kernel gives to nobody who does not ask for it, and
    that this gives out once: a region that is down for a while comes back to its own.

    From below the range of ports that it gives out: from within, a client that tries again and again
    while the region is down could be given the very port, connect to itself, and hold it.
    """
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in random.sample(sorted(set(range(10_000, lowest)) - _given), 100):
        with socket.socket() as it:
            try:
                it.bind(("0.0.0.0", port))
            except OSError:
                continue
            _given.add(port)
            return port
    raise AssertionError("no port of a hundred is free")


def _fnv(text):
    """FNV-1a, by which a region's names are made of its folder."""
    hashed = 0x811C9DC5
    for byte in text.encode():
        hashed = (hashed ^ byte) * 0x01000193 % (1 << 32)
    return hashed


class Region:
    """`landfall server` or `landfall up` on a folder of its own."""

    def __init__(self, *flags, command="server", data=None):
        self.command = command
        self.flags = list(flags)
        self.own = data is None
        self.data = data or tempfile.mkdtemp(prefix="landfall-e2e-")
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        self.log = open(Path(self.data).parent / (Path(self.data).name + ".log"), "ab")
        self.process = None
        self.environment = {}

    # Life.

    def start(self, within=60):
        """Starts it and waits until it serves."""
        self.process = subprocess.Popen(
            [BINARY, self.command, "--data", self.data, "--listen", f"127.0.0.1:{self.port}"]
            + self.flags,
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
        )
        until(self.ready, within, what=f"{self.command} is ready\n{self.tail()}")
        self.environment = dict(
            re.findall(r"^export (\w+)=(.*)$", self.landfall("env").stdout, re.M)
        )
        return self

    def ready(self):
        assert self.process.poll() is None, f"{self.command} has ended:\n{self.tail()}"
        try:
            with urllib.request.urlopen(f"{self.endpoint}/_landfall/ready", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop(self, within=30):
        """Ctrl-C; gives the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(within * BUSY)

    def kill(self):
        """As a power cut would for this process."""
        self.process.kill()
        self.process.wait()

    def down(self):
        """Leaves nothing of it, whatever state it is in."""
        if self.process is not None and self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
        try:
            if self.command == "up":
                down = self.landfall("down", check=False, timeout=120 * BUSY)
                said = down.stdout + down.stderr
                assert down.returncode == 0, f"`landfall down` ends with {down.returncode}: {said}"
                left = self.left()
                assert not left, f"`landfall down` says {said!r} and leaves {left}"
        finally:
            self.log.close()
            if self.own:
                shutil.rmtree(self.data, ignore_errors=True)
                os.unlink(self.log.name)

    def tag(self):
        """The name that everything of this region has on the machine."""
        return f"{_fnv(os.path.abspath(self.data)):08x}"[:7]

    def left(self):
        """What of the region is on the machine, under whatever name it can be found."""
        run, found = f"/run/landfall/{self.tag()}", set()
        if os.path.exists(run):
            found.add(run)
        for root in [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()]:
            if (group := root / "landfall" / self.tag()).exists():
                found.add(str(group))
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                try:
                    line = (process / "cmdline").read_bytes().decode(errors="replace")
                except OSError:
                    continue
                if run in line or (f"\0agent\0" in line and self.data in line):
                    found.add(f"process {process.name}: {line}")
        mounts = Path("/proc/self/mounts").read_text().splitlines()
        found |= {it for it in mounts if run in it or self.data in it}
        # The table that takes in what is for addresses of clients.
        marks = [self.tag(), str(0x40000000 | _fnv(self.tag()) & 0x3FFFFFFF)]
        for command in ("ip -br link", "ip rule", "ip route show table all", "nft list tables"):
            done = subprocess.run(command.split(), capture_output=True, text=True)
            found |= {it for it in done.stdout.splitlines() if any(mark in it for mark in marks)}
        return found

    def tail(self):
        self.log.flush()
        return "".join(Path(self.log.name).read_text(errors="replace").splitlines(True)[-40:])

    # Clients.

    def landfall(self, *words, check=True, timeout=60 * BUSY):
        """The command line of the region itself."""
        return subprocess.run(
            [BINARY, *words, "--data", self.data],
            capture_output=True, text=True, check=check, timeout=timeout,
            env={**os.environ, **self.environment},
        )

    def client(self, service="ecs", retries=0, **settings):
        """A client of boto3 that does not retry and does not check what it sends."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=settings.pop("region_name", "us-east-1"),
            aws_access_key_id=self.environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.environment["AWS_SECRET_ACCESS_KEY"],
            config=Config(
                retries={"max_attempts": retries},
                max_pool_connections=64,
                read_timeout=30 * BUSY,
                **settings,
            ),
        )

    def request(self, target, body, service="ecs", key=None, secret=None, region="us-east-1",
                headers=(), sign=True, timeout=30 * BUSY):
        """One raw request: gives status, headers and body. `body` is sent as it is."""
        body = body if isinstance(body, bytes) else body.encode()
        request = AWSRequest("POST", f"{self.endpoint}/", data=body, headers={
            "Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target, **dict(headers)})
        if sign:
            key = key or self.environment["AWS_ACCESS_KEY_ID"]
            secret = secret or self.environment["AWS_SECRET_ACCESS_KEY"]
            SigV4Auth(Credentials(key, secret), service, region).add_auth(request)
        return self.send(dict(request.headers), body, timeout=timeout)

    def send(self, headers, body, path="/", method="POST", timeout=30 * BUSY):
        """Sends exactly this over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    def connected(self):
        """How many instances of the cluster `default` are connected."""
        ecs = self.client()
        arns = ecs.list_container_instances()["containerInstanceArns"]
        if not arns:
            return 0
        found = ecs.describe_container_instances(containerInstances=arns)["containerInstances"]
        return sum(it["agentConnected"] for it in found)

    def extension(self, operation, **ask):
        """An operation of Landfall's own."""
        status, _, body = self.request(f"Landfall_20260101.{operation}", json.dumps(ask), "landfall")
        assert status == 200, body
        return json.loads(body)

    def aws(self, words, check=True, timeout=120 * BUSY):
        """The `aws` command line as a user types it, after `eval "$(landfall env)"`."""
        return subprocess.run(
            words, shell=True, executable="/bin/bash", capture_output=True, text=True,
            check=check, timeout=timeout, env={**os.environ, **self.environment},
        )
