"""A simulated LXD in a process of its own: ``python -m webspaced.testing.lxd.process DIRECTORY GATEWAY``.

Its socket is in the directory, its containers have addresses of the gateway's network (``10.0.0.1/24``). It says ``ready``
on standard output, and ends with its standard input.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.stdio import StandardIO
from twisted.internet.task import react
from twisted.python.failure import Failure

from webspaced.testing.lxd.simulator import LOOPBACK_PORTS, SimulatedLxd


class _UntilTheEnd(Protocol):
    """Standard input: what comes is of no interest, its end is."""

    def __init__(self) -> None:
        self.ended: Deferred[None] = Deferred()

    def connectionLost(self, reason: Failure | None = None) -> None:
        self.ended.callback(None)


def serve(reactor: Any, lxd: SimulatedLxd) -> Deferred[None]:
    """Start it, say so, and fire when standard input has ended."""
    lxd.startService()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    waiting = _UntilTheEnd()
    StandardIO(waiting, reactor=reactor)
    return waiting.ended


def main(reactor: Any) -> Deferred[None]:
    """Serve an empty one."""
    directory, gateway = sys.argv[1:]
    return serve(reactor, SimulatedLxd(reactor, directory, gateway=gateway, ports=LOOPBACK_PORTS))


if __name__ == "__main__":
    react(main)
