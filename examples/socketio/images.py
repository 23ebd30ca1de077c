#!/usr/bin/env python3
"""Assembles the example's images as one OCI archive, without Docker: `images.py ARCHIVE`.

Node.js and the packages of the chat come from npm, as the lock file pins them. Redis and the C
libraries come from this machine's Debian or Ubuntu, by apt. Of those only what the programs' own
loader asks for goes into an image. Equal inputs give an equal archive, to the byte. An archive that is
newer than what it is made of is left as it is. Status 2 says that this machine cannot make it.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Debian's name of an architecture: OCI's, npm's, and its dynamic loader.
ARCHITECTURES = {
    "amd64": ("amd64", "x64", "lib64/ld-linux-x86-64.so.2"),
    "arm64": ("arm64", "arm64", "lib/ld-linux-aarch64.so.1"),
}
USER = 1000
ETC = {
    "etc/passwd": f"root:x:0:0:root:/:/\napp:x:{USER}:{USER}:app:/app:/\n",
    "etc/group": f"root:x:0:\napp:x:{USER}:\n",
    "etc/nsswitch.conf": "hosts: files dns\n",
}
# What the chat does not need to run: types for editors, and Node.js, which is a layer of its own.
LEFT_OUT = re.compile(r"@types|undici-types|node-linux-.*|\.bin|\.package-lock\.json|.*\.(map|d\.ts|md)")


def main():
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("archive", type=Path, help="where to write the archive")
    archive = asked.parse_args().archive
    sources = [Path(__file__), *(HERE / "chat").glob("*.*")]
    if archive.exists() and archive.stat().st_mtime > max(it.stat().st_mtime for it in sources):
        print(archive)
        return
    lacking = [it for it in ("npm", "apt-get", "apt-cache", "dpkg-deb") if not shutil.which(it)]
    if lacking:
        give_up(f"this machine lacks {', '.join(lacking)}: "
                "it must be Debian or Ubuntu, with `apt-get install npm` or Node.js from elsewhere")
    debian = say("dpkg", "--print-architecture").strip()
    if debian not in ARCHITECTURES:
        give_up(f"no Node.js for {debian}: only for {', '.join(ARCHITECTURES)}")
    with tempfile.TemporaryDirectory(prefix="socketio-") as scratch:
        archive.parent.mkdir(parents=True, exist_ok=True)
        layout = assemble(Path(scratch), *ARCHITECTURES[debian])
        partial = archive.with_suffix(f".{os.getpid()}")
        try:
            partial.write_bytes(pack(layout))
            partial.rename(archive)
        except OSError as error:
            give_up(f"{archive} cannot be written: {error.strerror}")
    print(archive)


def assemble(scratch, architecture, node_name, loader):
    """The files of an OCI layout with both images."""
    chat, system = scratch / "chat", scratch / "system"
    shutil.copytree(HERE / "chat", chat, ignore=shutil.ignore_patterns("node_modules"))
    tell("Node.js and the packages of the chat, from npm")
    run("npm", "ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error", cwd=chat)
    tell("Redis and the C libraries, from apt")
    unpack_packages(["redis-server", "redis-tools", "libc6", "libstdc++6", "libgcc-s1"], system)
    node = chat / f"node_modules/node-linux-{node_name}/bin/node"
    redis = (system / "usr/bin/redis-server").resolve()

    tell("the images")
    layout = {"oci-layout": encode({"imageLayoutVersion": "1.0.0"})}
    images = {
        "socketio/chat:1": image(layout, architecture, [
            layer({"usr/bin/node": node, **libraries(system, loader, node)}),
            layer({f"app/{it.relative_to(chat)}": it for it in files(chat)}),
        ], {"Entrypoint": ["/usr/bin/node"], "Cmd": ["server.js"], "WorkingDir": "/app",
            "ExposedPorts": {"3000/tcp": {}}, "Env": ["NODE_ENV=production"]}),
        "socketio/redis:1": image(layout, architecture, [
            layer({"usr/bin/redis-server": redis, **libraries(system, loader, redis)}),
        ], {"Entrypoint": ["/usr/bin/redis-server"], "WorkingDir": "/app",
            # Nothing is kept on disk: the chat lives as long as its Redis.
            "Cmd": ["--save", "", "--protected-mode", "no"], "ExposedPorts": {"6379/tcp": {}}}),
    }
    layout["index.json"] = encode({"schemaVersion": 2, "manifests": [
        {**described, "annotations": {"org.opencontainers.image.ref.name": name}}
        for name, described in images.items()]})
    return layout


def files(chat):
    """What of the application's folder is wanted."""
    for folder, names, found in os.walk(chat):
        names[:] = [it for it in names if not LEFT_OUT.fullmatch(it)]
        yield from (Path(folder) / it for it in found if not LEFT_OUT.fullmatch(it))


def unpack_packages(wanted, folder):
    """Downloads packages and the libraries that they depend on, and unpacks them into a folder."""
    known, new = set(), set(wanted)
    while new:
        known |= new
        told = say("apt-cache", "depends", "--no-recommends", "--no-suggests", "--no-conflicts",
                   "--no-breaks", "--no-replaces", "--no-enhances", *sorted(new))
        new = set(re.findall(r"^\s+\|?Depends: (lib[^\s:]+)$", told, re.M)) - known
    packages = folder.with_name("packages")
    packages.mkdir()
    # Downloads as whoever runs this: apt's own user may not write here.
    run("apt-get", "-qq", "-o", "APT::Sandbox::User=", "download", *sorted(known), cwd=packages)
    for it in sorted(packages.iterdir()):
        run("dpkg-deb", "--extract", it, folder)


def libraries(system, loader, program):
    """The loader and the libraries that a program needs, as its own loader finds them."""
    folders = sorted({it.parent for it in system.rglob("*.so*") if "linux-gnu" in it.parent.name})
    own = next(it for it in (system / loader, system / "usr" / loader) if it.exists())
    told = say(own.resolve(), "--inhibit-cache", "--library-path", ":".join(map(str, folders)),
               "--list", program)
    if "not found" in told:
        give_up(f"libraries are missing:\n{told}")
    found = {loader: own.resolve()}
    for name, path in re.findall(r"^\s*(\S+) => (\S+)", told, re.M):
        if Path(path).is_relative_to(system) and not name.startswith("/"):
            found[f"usr/lib/{name}"] = Path(path).resolve()
    return found


def layer(wanted):
    """A layer: files by their place in the image, sorted, all of one time and of root."""
    packed = io.BytesIO()
    contents = {**{name: text.encode() for name, text in ETC.items()},
                **{name: path for name, path in wanted.items()}}
    folders = {str(it) for name in contents for it in Path(name).parents} - {"."}
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(folders | set(contents)):
            entry = tarfile.TarInfo(name)
            entry.mode = 0o755
            if name in folders:
                entry.type = tarfile.DIRTYPE
                tar.addfile(entry)
                continue
            body = contents[name]
            if isinstance(body, Path):
                entry.mode = 0o755 if os.access(body, os.X_OK) or ".so" in name else 0o644
                body = body.read_bytes()
            else:
                entry.mode = 0o644
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
    return packed.getvalue()


def image(layout, architecture, layers, config):
    """Puts an image's blobs into the layout; gives the descriptor of its manifest."""
    compressed = [gzip.compress(it, compresslevel=1, mtime=0) for it in layers]
    configuration = encode({
        "architecture": architecture, "os": "linux",
        "config": {"User": f"{USER}:{USER}", **config},
        "rootfs": {"type": "layers", "diff_ids": [digest(it) for it in layers]},
    })
    kind = "application/vnd.oci.image"
    manifest = encode({
        "schemaVersion": 2, "mediaType": f"{kind}.manifest.v1+json",
        "config": put(layout, f"{kind}.config.v1+json", configuration),
        "layers": [put(layout, f"{kind}.layer.v1.tar+gzip", it) for it in compressed],
    })
    return put(layout, f"{kind}.manifest.v1+json", manifest)


def put(layout, kind, blob):
    layout[f"blobs/sha256/{digest(blob).removeprefix('sha256:')}"] = blob
    return {"mediaType": kind, "digest": digest(blob), "size": len(blob)}


def pack(layout):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, body in sorted(layout.items()):
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
    return packed.getvalue()


def encode(document):
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def digest(blob):
    return "sha256:" + hashlib.sha256(blob).hexdigest()


def tell(what):
    print(f"images.py: {what}", file=sys.stderr)


def give_up(why):
    tell(why)
    sys.exit(2)


def run(*words, cwd=None):
    done = subprocess.run([str(it) for it in words], cwd=cwd, capture_output=True, text=True)
    if done.returncode != 0:
        give_up(f"`{words[0]}` failed; perhaps `apt-get update` is due, or the network is away\n"
                f"{done.stdout}{done.stderr}")


def say(*words):
    # Without the user's language: what is printed is read here.
    done = subprocess.run([str(it) for it in words], capture_output=True, text=True,
                          env={**os.environ, "LC_ALL": "C"})
    if done.returncode != 0:
        give_up(f"`{words[0]}` failed\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
