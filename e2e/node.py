"""Programs of Node.js that tests use, with what they need of npm."""

import contextlib
import fcntl
import hashlib
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

MADE = Path(__file__).resolve().parent.parent / "target/example"


@contextlib.contextmanager
def alone():
    """Nobody else makes anything in that folder meanwhile."""
    MADE.mkdir(parents=True, exist_ok=True)
    with open(MADE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def installed(program):
    """A copy of that folder with what it needs of npm; made once for what it is made of, and whole or
    not at all."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("needs Node.js and npm")
    sources = sorted(program.glob("*.*js*"))
    made_of = hashlib.sha256(b"".join(it.read_bytes() for it in sources)).hexdigest()
    folder = MADE / f"{program.name}-{made_of[:16]}"
    with alone():
        if not folder.exists():
            fresh = Path(tempfile.mkdtemp(dir=MADE))
            for it in sources:
                shutil.copy(it, fresh)
            done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=fresh,
                                  capture_output=True, text=True)
            if done.returncode != 0:
                shutil.rmtree(fresh)
                pytest.skip(f"{program.name} cannot be installed here: {done.stderr}")
            fresh.rename(folder)
    return folder
