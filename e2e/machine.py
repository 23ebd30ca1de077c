"""What a region could leave behind on the machine."""

import os
import re
import subprocess
from pathlib import Path


def _lines(*command):
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except FileNotFoundError:
        return []
    return found.stdout.splitlines()


def _processes():
    """Processes of the binary under test, whatever their arguments."""
    found = set()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            state = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if state != "Z" and os.path.basename(words[0]) == b"landfall":
            found.add(f"process {folder.name}: {b' '.join(words).decode(errors='replace')}")
    return found


def _mounts():
    return {f"mount {line.split()[4]}" for line in Path("/proc/self/mountinfo").read_text().splitlines()
            if not line.split()[4].startswith("/proc")}


def _cgroups():
    found = set()
    for root, folders, _ in os.walk("/sys/fs/cgroup"):
        for name in folders:
            if "landfall" in name or "landfall" in root:
                found.add(f"cgroup {root}/{name}")
    return found


def _network():
    links = {f"link {line.split(':')[1].strip().split('@')[0]}"
             for line in _lines("ip", "-o", "link") if ":" in line}
    spaces = {f"namespace {line.split()[0]}" for line in _lines("ip", "netns", "list") if line.split()}
    tables = {f"nft {line}" for line in _lines("nft", "list", "tables")}
    addresses = {f"address {match[1]}" for line in _lines("ip", "-o", "addr")
                 if (match := re.search(r"inet6? (\S+) .* dev|inet6? (\S+)", line)) and match[1]}
    routes = {f"route {line.split()[0]}" for line in _lines("ip", "route") if line.split()}
    return links | spaces | tables | addresses | routes


def snapshot():
    """Everything of that kind on the machine now, one line each."""
    found = _processes() | _mounts() | _cgroups() | _network()
    # On a machine that others use too, this names what is theirs.
    others = os.environ.get("LANDFALL_E2E_IGNORE")
    return {it for it in found if not (others and re.search(others, it))}
