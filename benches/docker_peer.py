"""Docker as a peer, where the machine has a daemon (`DOCKER_HOST` as the docker command takes it)."""

import os
import shutil
import subprocess
import time
import urllib.request

import image

LAUNCH = ["sleep", "1000"]


def present():
    """Whether a daemon answers."""
    return bool(shutil.which("docker")) and subprocess.run(
        ["docker", "info", "--format", "{{.ServerVersion}}"], capture_output=True).returncode == 0


def docker(*words):
    return subprocess.run(["docker", *words], check=True, capture_output=True, text=True).stdout.strip()


class Docker:
    """Containers of the same image by `docker run -d`."""

    def __init__(self, archive):
        docker("load", "--input", str(archive))

    def launch(self, network):
        begun = time.time()
        container = docker("run", "-d", "--network", network, "--stop-timeout", "2", image.NAME, *LAUNCH)
        took = time.time() - begun
        docker("rm", "-f", container)
        return took * 1000


class Swarm:
    """A Swarm of one node; it must have been made before (`docker swarm init`)."""

    PORT = 8089
    NAME = "landfall-bench"

    def __init__(self, archive, command):
        docker("load", "--input", str(archive))
        self.address = docker("info", "--format", "{{.Swarm.NodeAddr}}")
        self.command = command

    @staticmethod
    def present():
        return present() and docker("info", "--format", "{{.Swarm.LocalNodeState}}") == "active"

    def scale(self, count, within=300):
        """Seconds from the request until all run, and until all have answered (`None`: its mesh does
        not carry, which needs IPVS in the kernel)."""
        docker("service", "create", "--detach", "--name", self.NAME, "--replicas", "0", "--publish",
               f"{self.PORT}:8080", image.NAME, *self.command)
        try:
            begun = time.time()
            docker("service", "scale", "--detach", f"{self.NAME}={count}")
            while docker("service", "ls", "--format", "{{.Replicas}}") != f"{count}/{count}":
                if time.time() - begun > within:
                    raise SystemExit("bench: Swarm does not start its tasks")
                time.sleep(0.02)
            running = time.time() - begun
            seen = set()
            try:
                while len(seen) < count and time.time() - begun < within:
                    seen.add(self.get())
                return running, time.time() - begun
            except OSError:
                return running, None
        finally:
            docker("service", "rm", self.NAME)
            while docker("ps", "--quiet", "--filter", f"name={self.NAME}"):
                time.sleep(0.1)

    def get(self):
        with urllib.request.urlopen(f"http://{self.address}:{self.PORT}/", timeout=5) as answer:
            return answer.read()
