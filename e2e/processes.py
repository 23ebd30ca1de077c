"""Processes of a region on this machine, whatever the region believes, and how they are killed."""

import os
import signal
from pathlib import Path


def words(process):
    try:
        return (Path("/proc") / str(process) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def children(process):
    try:
        return [int(it) for it in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


def kill(process):
    try:
        os.kill(process, signal.SIGKILL)
        return True
    except ProcessLookupError:
        return False


class Machine:
    """What of one region is on this machine, whatever the region believes."""

    def __init__(self, region):
        self.region = region
        # Run folders of the region, also once nobody's command line names them any more.
        self.folders = set()

    def _processes(self, role):
        found = ((int(it.name), words(it.name)) for it in Path("/proc").iterdir() if it.name.isdigit())
        return [(process, line) for process, line in found if len(line) > 1 and line[1] == role]

    def agents(self):
        return [process for process, line in self._processes("agent")
                if any(it.startswith(self.region.data) for it in line)]

    def shims(self):
        """Shims of the region by task: those in run folders of its agents."""
        runs = {line[line.index("--run") + 1] for process, line in self._processes("agent")
                if any(it.startswith(self.region.data) for it in line)}
        self.folders |= {Path(it).parent for it in runs}
        return {Path(line[3]).name: process for process, line in self._processes("shim")
                if Path(line[3]).parent.parent.parent in self.folders}

    def containers(self):
        """How many containers each task has."""
        return {task: len(children(shim)) for task, shim in self.shims().items() if children(shim)}
