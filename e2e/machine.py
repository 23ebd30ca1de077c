"""What a region could leave behind on the machine."""

import os
import re
import subprocess
from pathlib import Path


def _lines(*command):
    try:
        found = subprocess.run(command, capture_output=True, text=True)
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
    points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return {f"mount {it}" for it in points if "landfall" in it}


def _cgroups():
    found = set()
    for root, folders, _ in os.walk("/sys/fs/cgroup"):
        for name in folders:
            if "landfall" in name or "landfall" in root:
                found.add(f"cgroup {root}/{name}")
    return found


def _network():
    """Links of regions, what hangs on them, and tables: other things of the machine come and go."""
    # Packets for addresses of others, by the mark that they get and the tables that take them in.
    marked = {f"landfall rule {line}" for line in _lines("ip", "rule") if "fwmark 0x66 " in line}
    marked |= {f"landfall route {line}" for line in _lines("ip", "route", "show", "table", "all")
               if line.startswith("local default dev lo table")}
    links = {f"link {line.split(':')[1].strip().split('@')[0]}"
             for line in _lines("ip", "-o", "link") if ":" in line}
    spaces = {f"namespace {line.split()[0]}" for line in _lines("ip", "netns", "list") if line.split()}
    tables = {f"nft {line}" for line in _lines("nft", "list", "tables")}
    addresses = {f"address {words[1]} {words[3]}" for line in _lines("ip", "-o", "addr")
                 if len(words := line.split()) > 3}
    routes = {f"route {line}" for line in _lines("ip", "route")}
    ours = re.compile(r"\blf|landfall")
    return {it for it in links | spaces | tables | addresses | routes | marked
            if ours.search(it)}


def snapshot():
    """Everything of that kind on the machine now, one line each."""
    found = _processes() | _mounts() | _cgroups() | _network()
    # On a machine that others use too, this names what is theirs.
    others = os.environ.get("LANDFALL_E2E_IGNORE")
    return {it for it in found if not (others and re.search(others, it))}
