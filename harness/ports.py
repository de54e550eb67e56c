"""Loopback ports of one checkout: chosen once, then kept, so that addresses in a browser go on being right.

A port that is free now may be anybody's by the time somebody listens there. What goes by this module is therefore
reserved: no two processes of this machine are given the same as long as both live, whenever they listen there.
"""

import json
import secrets
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path

from harness.places import write_private
from harness.saying import CannotGoOn

LOOPBACK = "127.0.0.1"
UNUSED = range(10000, 20000)
BOOT = range(20000, 30000)
FORWARDS = range(30000, 32750)
"""All are below those of outgoing connections, any of which may be taken at any time."""
GRAIN = 50
"""How many ports go together, from a multiple of it on."""
SHARE = 100
"""How many of the unused ones a process has for itself."""


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
        kept = Ports(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        chosen = _choose()
        write_private(path, json.dumps(asdict(chosen), indent=1))
        return chosen
    # Whoever chooses while nobody listens there yet sees that they are taken.
    for port in (kept.api, kept.internal, kept.http, kept.https):
        _hold(port, _for_good)
    return kept


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


_for_good = ExitStack()
_reserved: set["Reserved"] = set()
_share: list[Iterator[int]] = []


def _hold(port: int, until: ExitStack) -> bool:
    """Whether this process has what begins at a port from now on, until that is over or the process ends.

    A name of an abstract Unix socket (unix(7)) is one process's in a network namespace, as a port is, and the kernel frees
    it however the process ends.
    """
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0webspaced-port-{port}")
    except OSError:
        name.close()
        return False
    until.enter_context(name)
    return True


class Reserved:
    """``ports`` in a row that no other process is given before they are released or this process ends."""

    def __init__(self, ports: range, held: ExitStack) -> None:
        self.ports = ports
        self._held = held
        # Nobody's losing sight of it releases it.
        _reserved.add(self)

    def release(self) -> None:
        """Let others have them. Idempotent."""
        _reserved.discard(self)
        self._held.close()


def reserve(size: int, among: range) -> Reserved:
    """Reserve so many ports, a multiple of the grain, on which nothing listens; by chance. Raises CannotGoOn without any."""
    starts = list(range(among.start, among.stop - size + 1, GRAIN))
    secrets.SystemRandom().shuffle(starts)
    for start in starts:
        ports = range(start, start + size)
        held = ExitStack()
        if _hold_all(ports[::GRAIN], held) and not listening() & set(ports):
            return Reserved(ports, held)
        held.close()
    raise CannotGoOn(f"no {size} ports in a row are left in {among.start} to {among.stop - 1}")


def _hold_all(starts: Iterable[int], held: ExitStack) -> bool:
    return all(_hold(start, held) for start in starts)


def by_chance() -> int:
    """One that nobody has now, and that no other seeker is given: the next of this process's share."""
    if not _share:
        _share.append(cycle(reserve(SHARE, UNUSED).ports))
    port = next(filter(free, islice(_share[0], SHARE)), None)
    if port is None:
        raise CannotGoOn(f"this process uses all of its {SHARE} ports")
    return port


def _free_from(start: int) -> int:
    return next(port for port in range(start, 65536) if free(port) and _hold(port, _for_good))


def _quiet_range() -> range:
    """The default boot ports, or a tenth of them when another daemon of this machine listens in there."""
    taken = listening()
    for candidate in (BOOT, *(range(low, low + 1000) for low in range(21000, 30000, 1000))):
        if not taken & set(candidate):
            return candidate
    return BOOT


def listening() -> set[int]:
    """The TCP ports on which anything of this machine listens."""
    ports = set()
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        for line in table.read_text(encoding="ascii").splitlines()[1:] if table.exists() else []:
            fields = line.split()
            if fields[3] == "0A":  # TCP_LISTEN
                ports.add(int(fields[1].rpartition(":")[2], 16))
    return ports
