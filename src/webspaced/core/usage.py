"""What LXD and Incus say that containers have used, read out of their metrics.

https://documentation.ubuntu.com/lxd/en/latest/metrics/ (Incus: ``incus_`` before the names). The text format is
Prometheus' (https://prometheus.io/docs/instrumenting/exposition_formats/), sorted by metric. There are some seventy lines
for each container, of which a few count: only their sections are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from webspaced.core.sleep import Usage

CPU, RECEIVED, SENT = "cpu_seconds_total", "network_receive_bytes_total", "network_transmit_bytes_total"


PIECE = 1 << 18
"""Bytes that are read at a time, which takes less than a millisecond."""


def usages(text: bytes, project: str, nic: str) -> Mapping[str, Usage]:
    """Give the usage of each running container of a project, by name. What is no such line is passed over."""
    sums = Sums(project, nic)
    for piece in pieces(text):
        sums.take(*piece)
    return sums.usages()


def pieces(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Give the metrics that count, and their lines in pieces that do not take long: there may be a hundred thousand."""
    for metric in (CPU, RECEIVED, SENT):
        begin, end = _section(text, metric)
        while begin < end:
            cut = text.find(b"\n", min(begin + PIECE, end - 1), end) + 1
            yield metric, text[begin : cut or end]
            begin = cut or end


class Sums:
    """What the pieces say, added up by container: processor time, and what went over one NIC.

    Its other devices, such as bridges of containers within, say the same once more, or what nobody outside asked for.
    """

    def __init__(self, project: str, nic: str) -> None:
        # Labels come in the order of their names. One expression for all of it.
        self._line = re.compile(
            rb'\{(?:device="%s",|(?!device=))[^}\n]*?\bname="([^"\n]*)",project="%s"[^}\n]*\} ([0-9.e+]+)\n'
            % (re.escape(nic.encode()), re.escape(project.encode()))
        )
        self._sums: dict[str, dict[bytes, float]] = {CPU: {}, RECEIVED: {}, SENT: {}}

    def take(self, metric: str, piece: bytes) -> None:
        """Read whole lines of a metric."""
        sums = self._sums[metric]
        for name, value in self._line.findall(piece):
            sums[name] = sums.get(name, 0.0) + _number(value)

    def usages(self) -> Mapping[str, Usage]:
        """Give what was read, of those of which all was told."""
        received, sent = self._sums[RECEIVED], self._sums[SENT]
        return {
            name.decode(errors="replace"): Usage(cpu=cpu, received=int(received[name]), sent=int(sent[name]))
            for name, cpu in self._sums[CPU].items()
            if name in received and name in sent
        }


def _number(value: bytes) -> float:
    try:
        return float(value)
    except ValueError:
        return 0.0


def _section(text: bytes, metric: str) -> tuple[int, int]:
    """Give where the lines of one metric begin and end."""
    for server in ("lxd", "incus"):
        begin = text.find(f"\n{server}_{metric}{{".encode())
        if begin >= 0:
            end = text.find(b"\n#", begin)
            return begin + 1, end + 1 if end >= 0 else len(text)
    return 0, 0


def usage_of(state: Mapping[str, Any], nic: str) -> Usage:
    """Give the same out of a container's ``/state``, where processor time is in nanoseconds."""
    counters = ((state.get("network") or {}).get(nic) or {}).get("counters") or {}
    return Usage(
        cpu=(state.get("cpu") or {}).get("usage", 0) / 1e9,
        received=counters.get("bytes_received", 0),
        sent=counters.get("bytes_sent", 0),
    )
