"""The machine underneath, as its kernel tells of it: only where webspaced runs on the same one as LXD.

Sources: proc(5), and the kernel's Documentation/networking/proc_net_tcp and Documentation/accounting/psi.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from webspaced.interfaces import IHostKernel
from webspaced.lib.threads import Threads

_NIC = re.compile(r"^\s*(\S+?):\s*(?:\d+\s+){9}(\d+)\s", re.MULTILINE)
"""A line of /proc/net/dev: eight numbers of what was received, then bytes and packets that were sent."""
_SEGMENTS = re.compile(r"^Tcp: (?:-?\d+ ){9}(\d+) ", re.MULTILINE)
"""A line of /proc/net/snmp: nine numbers, then how many TCP segments came, over IPv4 and IPv6."""
_FORWARDED = re.compile(r"^Ip: (?:-?\d+ ){5}(\d+) ", re.MULTILINE)
"""Another of its lines: five numbers, then how many packets were for somebody else; and the line for IPv6."""
_FORWARDED_6 = re.compile(r"^Ip6OutForwDatagrams\s+(\d+)", re.MULTILINE)
_PRESSURE = re.compile(r"^some avg10=([0-9.]+)", re.MULTILINE)
_CONNECTION = re.compile(r"^\s*\d+: \S+ \S+ ([0-9A-F]{2}) [0-9A-F]+:([0-9A-F]+) ", re.MULTILINE)
"""A line of /proc/net/tcp: number, both ends, state, and what is not sent and not read yet."""
PEER_ENDED = "08"
"""The state CLOSE_WAIT."""


@implementer(IHostKernel)
class HostKernel:
    """See :class:`webspaced.interfaces.IHostKernel`."""

    def __init__(self, proc: Path = Path("/proc"), threads: Threads | None = None) -> None:
        """:param threads: of one's own, for what takes long; without them it is done at once."""
        self._proc = proc
        self._threads = threads

    def received(self) -> Mapping[str, int]:
        """See :meth:`webspaced.interfaces.IHostKernel.received`."""
        # What this machine sends on its end of a pair is what the container gets.
        return {name: int(packets) for name, packets in _NIC.findall(self._read("net/dev"))}

    def segments(self, pid: int) -> int | None:
        """See :meth:`webspaced.interfaces.IHostKernel.segments`."""
        found = _SEGMENTS.search(self._read(f"{pid}/net/snmp"))
        return int(found[1]) if found else None

    def forwarded(self, pid: int) -> int | None:
        """See :meth:`webspaced.interfaces.IHostKernel.forwarded`."""
        found = _FORWARDED.search(self._read(f"{pid}/net/snmp"))
        if found is None:
            return None
        found_6 = _FORWARDED_6.search(self._read(f"{pid}/net/snmp6"))
        return int(found[1]) + (int(found_6[1]) if found_6 else 0)

    def has_unread(self, pid: int) -> Deferred[bool]:
        """See :meth:`webspaced.interfaces.IHostKernel.has_unread`."""
        return succeed(self._has_unread(pid)) if self._threads is None else self._threads.run(self._has_unread, pid)

    def _has_unread(self, pid: int) -> bool:
        tables = [self._read(f"{pid}/net/{name}") for name in ("tcp", "tcp6")]
        return not any(tables) or any(_is_unread(*row) for table in tables for row in _CONNECTION.findall(table))

    def memory_pressure(self) -> float:
        """See :meth:`webspaced.interfaces.IHostKernel.memory_pressure`."""
        found = _PRESSURE.search(self._read("pressure/memory"))
        return float(found[1]) if found else 0.0

    def _read(self, name: str) -> str:
        try:
            return (self._proc / name).read_text(errors="replace")
        except OSError:
            return ""


def _is_unread(state: str, unread: str) -> bool:
    """Whether a line of a table of TCP connections tells of something that is not taken yet."""
    # Of a listening socket it is who waits to be accepted; the peer's end counts as one byte, and is no reason to wake.
    return int(unread, 16) > (1 if state == PEER_ENDED else 0)
