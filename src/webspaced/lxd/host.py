"""The machine underneath, as its kernel tells of it: only where webspaced runs on the same one as LXD.

Sources: proc(5), and the kernel's Documentation/networking/proc_net_tcp and Documentation/accounting/psi.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from zope.interface import implementer

from webspaced.interfaces import IHostNics

_NIC = re.compile(r"^\s*(\S+?):\s*(?:\d+\s+){9}(\d+)\s", re.MULTILINE)
"""A line of /proc/net/dev: eight numbers of what was received, then bytes and packets that were sent."""
_PRESSURE = re.compile(r"^some avg10=([0-9.]+)", re.MULTILINE)
LISTENS, PEER_ENDED = 0x0A, 0x08
"""States of a connection in /proc/net/tcp."""


@implementer(IHostNics)
class HostNics:
    """See :class:`webspaced.interfaces.IHostNics`."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc

    def received(self) -> Mapping[str, int]:
        """See :meth:`webspaced.interfaces.IHostNics.received`."""
        # What this machine sends on its end of a pair is what the container gets.
        return {name: int(packets) for name, packets in _NIC.findall(self._read("net/dev"))}

    def has_unread(self, pid: int) -> bool:
        """See :meth:`webspaced.interfaces.IHostNics.has_unread`."""
        tables = [self._read(f"{pid}/net/{name}") for name in ("tcp", "tcp6")]
        return not any(tables) or any(_is_unread(line) for table in tables for line in table.splitlines()[1:])

    def memory_pressure(self) -> float:
        """See :meth:`webspaced.interfaces.IHostNics.memory_pressure`."""
        found = _PRESSURE.search(self._read("pressure/memory"))
        return float(found[1]) if found else 0.0

    def _read(self, name: str) -> str:
        try:
            return (self._proc / name).read_text(errors="replace")
        except OSError:
            return ""


def _is_unread(line: str) -> bool:
    """Whether a line of a table of TCP connections tells of something that is not taken yet."""
    numbers = tuple(_numbers(line))
    if len(numbers) != 2:  # noqa: PLR2004
        return False
    state, unread = numbers
    # Of a listening socket it is who waits to be accepted; the peer's end counts as one byte, and is no reason to wake.
    return unread > (1 if state == PEER_ENDED else 0)


def _numbers(line: str) -> Iterator[int]:
    fields = line.split()
    if len(fields) > 4:  # noqa: PLR2004
        yield int(fields[3], 16)
        yield int(fields[4].partition(":")[2] or "0", 16)
