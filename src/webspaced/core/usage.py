"""What LXD and Incus say that containers have used, read out of their metrics.

https://documentation.ubuntu.com/lxd/en/latest/metrics/ (Incus: ``incus_`` before the names). The text format is
Prometheus' (https://prometheus.io/docs/instrumenting/exposition_formats/), sorted by metric. There are some seventy lines
for each container, of which a few count: only their sections are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from webspaced.core.sleep import Usage

CPU, RECEIVED, SENT = "cpu_seconds_total", "network_receive_bytes_total", "network_transmit_bytes_total"


def usages(text: bytes, project: str) -> Mapping[str, Usage]:
    """Give the usage of each running container of a project, by name. What is no such line is passed over."""
    cpu, received, sent = (_sums(text, each, project) for each in (CPU, RECEIVED, SENT))
    return {
        name.decode(): Usage(cpu=used, received=int(received.get(name, 0)), sent=int(sent.get(name, 0)))
        for name, used in cpu.items()
    }


def _sums(text: bytes, metric: str, project: str) -> dict[bytes, float]:
    """Add up a metric's values by container, but for the loopback device."""
    # Labels come in the order of their names. One expression for all of it: there may be a hundred thousand lines.
    line = re.compile(
        rb'\{(?!device="lo")[^}\n]*?\bname="([^"\n]*)",project="%s"[^}\n]*\} ([0-9.e+]+)\n' % re.escape(project.encode())
    )
    sums: dict[bytes, float] = {}
    for name, value in line.findall(_section(text, metric)):
        sums[name] = sums.get(name, 0.0) + _number(value)
    return sums


def _number(value: bytes) -> float:
    try:
        return float(value)
    except ValueError:
        return 0.0


def _section(text: bytes, metric: str) -> bytes:
    """Give the lines of one metric."""
    for server in ("lxd", "incus"):
        begin = text.find(f"\n{server}_{metric}{{".encode())
        if begin >= 0:
            end = text.find(b"\n#", begin)
            return text[begin : end + 1 if end >= 0 else len(text)]
    return b""


def usage_of(state: Mapping[str, Any]) -> Usage:
    """Give the same out of a container's ``/state``, where processor time is in nanoseconds."""
    counters = [
        nic.get("counters") or {} for name, nic in (state.get("network") or {}).items() if nic.get("type") != "loopback"
    ]
    return Usage(
        cpu=(state.get("cpu") or {}).get("usage", 0) / 1e9,
        received=sum(each.get("bytes_received", 0) for each in counters),
        sent=sum(each.get("bytes_sent", 0) for each in counters),
    )
