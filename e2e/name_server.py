"""Questions to the name server of a region."""

import json
import socket
import struct
from pathlib import Path


def server(region):
    """Where it stands: at the first address of the VPC."""
    base = json.loads((Path(region.data) / "region.json").read_text())["vpc"].split("/")[0]
    return base.rsplit(".", 1)[0] + ".1"


def ask(region, name, kind=1):
    """Gives the code of the answer, and its addresses."""
    labels = b"".join(bytes([len(it)]) + it.encode() for it in name.split("."))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as it:
        it.settimeout(60)
        it.sendto(struct.pack(">6H", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" +
                  struct.pack(">2H", kind, 1), (server(region), 53))
        answer = it.recv(4096)
    code, count = answer[3] & 15, struct.unpack(">H", answer[6:8])[0]
    rest, found = answer[12 + len(labels) + 5:], []
    for _ in range(count):
        # Owners of single answers are pointers to the question.
        assert rest[0] & 0xC0 == 0xC0, answer
        size = struct.unpack(">H", rest[10:12])[0]
        found.append(socket.inet_ntoa(rest[12:12 + size]))
        rest = rest[12 + size:]
    return code, sorted(found)
