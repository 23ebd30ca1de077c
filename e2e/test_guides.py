"""Every command that README and the guides show is typed as it stands there, in order."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import runs_containers
from region import BINARY, Region
from until import BUSY, until

pytestmark = pytest.mark.beside

ROOT = Path(__file__).resolve().parent.parent
# What is left out, and why.
LEFT_OUT = {
    r"git clone": "the reader has the repository already",
    r"make (up|test)": "what installs, builds and runs these tests",
    r"(sudo )?landfall up$": "the region under test is it",
    r"landfall (server|agent) ": "for several machines, with addresses of theirs",
    r"docker ": "needs docker",
    r"landfall image load nginx": "needs what docker saved",
}
# What stands for a value of the reader's own region.
PLACEHOLDERS = {
    r"http://172\.31\.\d+\.\d+:\d+/": "$(first address)",
    r"3fa9c201": "$(first task)",
    r"--tasks …": "--tasks $(first arns)",
}
FIRST = """
import json, subprocess, sys
rows = json.loads(subprocess.check_output(["landfall", "ps", "--json"]))
ask = ["aws", "ecs", "list-tasks", "--query", "taskArns[]", "--output", "text"]
if sys.argv[1] == "arns":
    print(subprocess.check_output(ask, text=True).strip())
elif sys.argv[1] == "task":
    print(subprocess.check_output(ask, text=True).split()[0].rsplit("/", 1)[1][:8])
else:
    shown = json.dumps(rows)
    import re
    print("http://" + re.search(r"172\\.\\d+\\.\\d+\\.\\d+:\\d+", shown)[0] + "/")
"""
# A reader types slowly enough for the server to listen by then.
CURL = """
import ssl, sys, time, urllib.request
words = sys.argv[1:]
url = next(it for it in words if it.startswith("http"))
option = lambda it: words[words.index(it) + 1] if it in words else None
trusted = ssl.create_default_context(cafile=option("--cacert"))
for _ in range(300):
    try:
        body = urllib.request.urlopen(url, timeout=60, context=trusted).read()
        (open(option("-o"), "wb") if "-o" in words else sys.stdout.buffer).write(body)
        sys.exit()
    except OSError as error:
        print(error, file=sys.stderr)
        time.sleep(0.1)
sys.exit(7)
"""


def commands(guide):
    """The commands of a guide's console blocks, with the lines that they go on in."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```", guide.read_text(), re.M | re.S):
        lines = iter(block.splitlines())
        for line in lines:
            if line.startswith(("$ ", "# ")):
                command = line[2:]
                while command.endswith("\\"):
                    command += "\n" + next(lines)
                found.append(command)
    return found


def typed(command):
    """The command as it can be run here; nothing if it is left out."""
    if any(re.match(it, command) for it in LEFT_OUT):
        return None
    for pattern, value in PLACEHOLDERS.items():
        command = re.sub(pattern, lambda _: value, command)
    return command if shutil.which("jq") else re.sub(r"\| jq '.*?'", "", command)


def program(folder, name, text):
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


@pytest.fixture
def reader(tmp_path):
    """A machine as its reader has it: a region in the usual folder, and the programs that are named."""
    if not runs_containers():
        pytest.skip("containers need root and a binary that runs them")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "landfall").symlink_to(BINARY)
    (tmp_path / "target/release").mkdir(parents=True)
    (tmp_path / "target/release/landfall").symlink_to(BINARY)
    program(programs, "sudo", '#!/bin/sh\nexec "$@"\n')
    program(programs, "first", f"#!{sys.executable}\n{FIRST}")
    program(programs, "curl", f"#!{sys.executable}\n{CURL}")
    region = Region(command="up", data=str(tmp_path / "landfall"))
    try:
        region.start(within=90)
        until(lambda: region.connected() == 3, 60, what="three instances")
        environment = {name: it for name, it in os.environ.items() if not name.startswith("AWS_")}
        environment |= {"PATH": f"{programs}:{os.environ['PATH']}", "XDG_DATA_HOME": str(tmp_path),
                        "AWS_PAGER": "", "AWS_CONFIG_FILE": "/dev/null",
                        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}

        def types(script):
            return subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=tmp_path,
                                  env=environment, capture_output=True, text=True, timeout=240 * BUSY)

        yield types
    finally:
        region.down()
        os.unlink(region.log.name)


@pytest.mark.parametrize("guide, before", [
    ("README.md", ""),
    ("docs/guides/first-run.md", ""),
    ("docs/guides/operating.md",
     'eval "$(landfall env)"; landfall run landfall/demo --wait -- sleep\n'),
    ("docs/guides/load-balancers.md", ""),
    ("docs/guides/service-discovery.md", ""),
    ("docs/guides/services.md", ""),
    ("docs/guides/clients.md", ""),
    ("docs/guides/failures.md", ""),
    ("docs/guides/service-connect.md", ""),
])
def test_the_commands_of_a_guide_do_what_it_says(reader, guide, before):
    script = before + "\n".join(it for it in map(typed, commands(ROOT / guide)) if it)
    done = reader(f"PS4='typed: '; set -x\n{script}")
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"


def test_every_command_that_is_left_out_is_still_there():
    guides = [ROOT / "README.md", *(ROOT / "docs/guides").glob("*.md")]
    shown = [it for guide in guides for it in commands(guide)]
    assert [it for it in LEFT_OUT if not any(re.match(it, command) for command in shown)] == []
    assert [it for it in PLACEHOLDERS if not any(re.search(it, command) for command in shown)] == []
