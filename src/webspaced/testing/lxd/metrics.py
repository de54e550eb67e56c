"""What LXD tells of its containers' use, as Prometheus reads it: the lines that count, or as many as a real one writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from webspaced.testing.lxd.things import Instance

Value = Callable[[Instance], Any]
MEMORY = (
    "Active_anon", "Active_file", "Active", "Cached", "Dirty", "Inactive_anon", "Inactive_file", "Inactive", "Mapped",
    "MemAvailable", "MemFree", "MemTotal", "RSS", "Shmem", "Swap", "Unevictable", "Writeback",
)  # fmt: skip
"""As LXD 5.0.2 writes them."""
PACKETS = (
    "receive_bytes", "receive_drop", "receive_errs", "receive_packets",
    "transmit_bytes", "transmit_drop", "transmit_errs", "transmit_packets",
)  # fmt: skip
COUNTED: dict[str, Value] = {"receive_bytes": lambda each: each.received, "transmit_bytes": lambda each: each.sent}


def _nothing(_each: Instance) -> int:
    return 0


def _some(_each: Instance) -> float:
    return 2.4684084e10


def _few() -> Iterator[tuple[str, list[tuple[str, Value]]]]:
    """Give each metric that counts, and its lines for a container: labels before the name, and the value."""
    yield "cpu_seconds_total", [('cpu="0",mode="user",', lambda each: each.used)]
    for name, value in COUNTED.items():
        yield f"network_{name}_total", [('device="eth0",', value)]


def _all(cpus: int) -> Iterator[tuple[str, list[tuple[str, Value]]]]:
    """Give every metric of a container with one disk and one NIC, in LXD's order."""
    modes = [(f'cpu="{cpu}",mode="{mode}",', _nothing) for cpu in range(cpus) for mode in ("system", "user")]
    yield "cpu_seconds_total", [*modes[:-1], (modes[-1][0], lambda each: each.used)]
    for name in ("read_bytes", "reads_completed", "written_bytes", "writes_completed"):
        yield f"disk_{name}_total", [('device="sda",', _some)]
    for name in ("avail", "free", "size"):
        yield f"filesystem_{name}_bytes", [('device="",fstype="ext4",mountpoint="/",', _some)]
    for name in MEMORY:
        yield f"memory_{name}_bytes", [("", _some)]
    for name in PACKETS:
        yield f"network_{name}_total", [('device="lo",', _nothing), ('device="eth0",', COUNTED.get(name, _nothing))]
    yield "procs_total", [("", lambda _each: 4)]


class Metrics:
    """What was told last of each project is told for a while.

    ``cpus``: processors of a machine whose LXD writes all that a real one does; 0 for the lines that count.
    """

    def __init__(self, kept: float) -> None:
        self.cpus = 0
        self._kept = kept
        self._told: dict[str, tuple[float, str]] = {}

    def told(self, server: str, project: str, now: float, alive: Callable[[], Iterable[Instance]]) -> str:
        """Give what the containers of a project that live have used."""
        at, text = self._told.get(project, (-self._kept, ""))
        if now - at >= self._kept:
            text = self._text(server, list(alive()))
            self._told[project] = (now, text)
        return text

    def _text(self, server: str, alive: Sequence[Instance]) -> str:
        lines: list[str] = []
        for metric, kinds in _all(self.cpus) if self.cpus else _few():
            lines += [f"# HELP {server}_{metric} It is said here.", f"# TYPE {server}_{metric} counter"]
            lines += [
                f'{server}_{metric}{{{labels}name="{each.name}",project="{each.project}",type="container"}} {value(each):g}'
                for each in alive
                for labels, value in kinds
            ]
        return "\n".join([*lines, "# EOF", ""])
