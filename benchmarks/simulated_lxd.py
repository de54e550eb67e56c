"""A simulated LXD in a process of its own: `python -m benchmarks.simulated_lxd DIRECTORY COUNT HTTP_PORT DEPTH CPUS`.

It has so many webspaces, `awake`, `dozing` or `asleep`; writes the metrics of a machine with so many processors, with 0 only
those that count; says `ready` on standard output, and ends with its standard input.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from benchmarks.webspaces import config_of
from harness.saying import CannotGoOn
from webspaced.core.sleep import DOZING_KEY, Depth
from webspaced.testing.lxd.process import serve
from webspaced.testing.lxd.simulator import SOCKET, SimulatedLxd
from webspaced.testing.lxd.things import Instance

UP = 1.0
"""Seconds after which every container listens."""


@contextmanager
def simulated(
    folder: Path, count: int, *, http_port: int = 80, depth: Depth = Depth.ASLEEP, cpus: int = 0
) -> Iterator[Path]:
    """Run one in a folder; gives its socket. Blocks until it is there."""
    arguments = [str(folder), str(count), str(http_port), depth.value, str(cpus)]
    command = [sys.executable, "-m", "benchmarks.simulated_lxd", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        if child.stdout is None or child.stdin is None:
            raise AssertionError
        if child.stdout.readline() != b"ready\n":
            raise CannotGoOn("the simulated LXD did not come up")
        yield folder / SOCKET
        child.stdin.close()


def _doze(lxd: SimulatedLxd, instance: Instance) -> None:
    """Freeze one as webspaced does, whose mark is the incarnation."""
    instance.set_key(DOZING_KEY, f"{instance.config['volatile.uuid']} {instance.last_used_at}")
    lxd.machine.power.halt(instance)


def main(reactor: Any) -> Deferred[None]:
    """Serve until standard input ends."""
    # Each that is awake or dozes listens on two ports.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    directory, depth = sys.argv[1], Depth(sys.argv[4])
    count, port, cpus = (int(sys.argv[number]) for number in (2, 3, 5))
    lxd = SimulatedLxd(reactor, directory)
    lxd.machine.metrics.cpus = cpus
    for uid in range(1, count + 1):
        instance = lxd.machine.add(f"ws-u{uid}", config=config_of(uid, port), running=depth is not Depth.ASLEEP)
        if depth is Depth.DOZING:
            # It has to listen before it can doze.
            reactor.callLater(UP, _doze, lxd, instance)
    return serve(reactor, lxd)


if __name__ == "__main__":
    react(main)
