"""A simulated LXD in a process of its own: `python -m benchmarks.simulated_lxd DIRECTORY COUNT`.

It has so many stopped webspaces, says `ready` on standard output, and ends with its standard input.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.stdio import StandardIO
from twisted.internet.task import react

from benchmarks.webspaces import config_of
from webspaced.testing.lxd.simulator import SimulatedLxd


class _UntilTheEnd(Protocol):
    """Standard input: what comes is of no interest, its end is."""

    def __init__(self) -> None:
        self.ended: Deferred[None] = Deferred()

    def connectionLost(self, reason: Any = None) -> None:
        self.ended.callback(None)


def main(reactor: Any) -> Deferred[None]:
    """Serve until standard input ends."""
    directory, count = sys.argv[1], int(sys.argv[2])
    lxd = SimulatedLxd(reactor, directory)
    for uid in range(1, count + 1):
        lxd.machine.add(f"ws-u{uid}", config=config_of(uid))
    lxd.startService()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    waiting = _UntilTheEnd()
    StandardIO(waiting, reactor=reactor)
    return waiting.ended


if __name__ == "__main__":
    react(main)
