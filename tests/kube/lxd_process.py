"""A simulated LXD as a process: ``python -m tests.kube.lxd_process DIRECTORY GATEWAY``. It ends with its input."""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.stdio import StandardIO
from twisted.internet.task import react

from webspaced.testing.lxd.simulator import LOOPBACK_PORTS, SimulatedLxd


class Input(Protocol):
    def __init__(self) -> None:
        self.ended: Deferred[None] = Deferred()

    def connectionLost(self, reason: Any = None) -> None:
        self.ended.callback(None)


def main(reactor: Any) -> Deferred[None]:
    directory, gateway = sys.argv[1:]
    SimulatedLxd(reactor, directory, gateway=gateway, ports=LOOPBACK_PORTS).startService()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    waiting = Input()
    StandardIO(waiting, reactor=reactor)
    return waiting.ended


if __name__ == "__main__":
    react(main)
