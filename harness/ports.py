"""Loopback ports of one checkout: chosen once, then kept, so that addresses in a browser go on being right."""

import json
import secrets
import socket
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.places import write_private

LOOPBACK = "127.0.0.1"
UNUSED = range(10000, 20000)
"""Below those of outgoing connections, and of boot ports."""


@dataclass(frozen=True)
class Ports:
    """What `make up` listens on. The last two pairs are ranges, both ends included."""

    api: int
    internal: int
    http: int
    https: int
    boot_start: int
    boot_end: int
    forward_start: int
    forward_end: int


def remembered(path: Path) -> Ports:
    """The ports of a file; chooses and writes them when there are none."""
    try:
        return Ports(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        chosen = _choose()
    write_private(path, json.dumps(asdict(chosen), indent=1))
    return chosen


def _choose() -> Ports:
    api = _free_from(8000)
    http = _free_from(8080)
    boot = _quiet_range()
    return Ports(
        api=api, internal=_free_from(api + 1), http=http, https=_free_from(max(8443, http + 1)),
        boot_start=boot.start, boot_end=boot.stop - 1, forward_start=49152, forward_end=65535,
    )


def free(port: int) -> bool:
    """Whether one could listen there now."""
    with socket.socket() as probe:
        # As the daemon does: what only waits for late packets of an old connection does not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def by_chance() -> int:
    """One that nobody has now, and that neither a connection nor another seeker will take but by chance."""
    while True:
        port = UNUSED.start + secrets.randbelow(len(UNUSED))
        if free(port):
            return port


def _free_from(start: int) -> int:
    return next(port for port in range(start, 65536) if free(port))


def _quiet_range() -> range:
    """The default boot ports, or a tenth of them when another daemon of this machine listens in there."""
    taken = listening()
    for candidate in (range(20000, 30000), *(range(low, low + 1000) for low in range(21000, 30000, 1000))):
        if not taken & set(candidate):
            return candidate
    return range(20000, 30000)


def listening() -> set[int]:
    """The TCP ports on which anything of this machine listens."""
    ports = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text(encoding="ascii").splitlines()[1:] if table.exists() else []:
            fields = line.split()
            if fields[3] == "0A":  # TCP_LISTEN
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports
