"""A small image with a shell, made here, so that tests need no registry."""

import hashlib
import io
import json
import shutil
import tarfile
from pathlib import Path

NAME = "e2e/busybox:1"


def _tar(files, links=()):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, body, mode in files:
            entry = tarfile.TarInfo(name)
            entry.mode, entry.size = mode, len(body or b"")
            if body is None:
                entry.type = tarfile.DIRTYPE
            tar.addfile(entry, io.BytesIO(body or b""))
        for name in links:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, links[name]
            tar.addfile(entry)
    return out.getvalue()


def busybox():
    """The static busybox of this machine, if it has one."""
    found = shutil.which("busybox") or "/bin/busybox"
    return Path(found) if Path(found).exists() else None


def archive(path, name=NAME, word="yes"):
    """Writes a docker-archive of an image with busybox as its shell; another word, another image."""
    binary = busybox().read_bytes()
    tools = ["sh", "cat", "echo", "sleep", "wget", "id", "env", "hostname", "ls", "touch", "head",
             "trap", "true", "false", "nc", "test", "dd", "mount", "ps", "ip"]
    layer = _tar(
        [("bin/", None, 0o755), ("tmp/", None, 0o1777), ("etc/", None, 0o755),
         ("bin/busybox", binary, 0o755)], {f"bin/{it}": "busybox" for it in tools})
    config = json.dumps({
        "architecture": "amd64", "os": "linux",
        "config": {"Env": ["PATH=/bin", f"FROM_IMAGE={word}"], "Cmd": ["sh"], "WorkingDir": "/tmp"},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]},
    }).encode()
    file = hashlib.sha256(config).hexdigest() + ".json"
    manifest = json.dumps([{"Config": file, "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    Path(path).write_bytes(_tar([(file, config, 0o644), ("layer.tar", layer, 0o644),
                                 ("manifest.json", manifest, 0o644)]))
    return path
