"""A relay of Twisted's in a process of its own: `python -m benchmarks.relay_ours KIND LISTEN=BACKEND...` (loopback's ports).

`ours`: webspaced's listeners and relay, behind a gate that is always open; a backend of `0` stands for one that boots for
half a second after its first visitor, and then is the backend before it. `stock`: `twisted.protocols.portforward`.
`listeners`: so many of webspaced's (instead of pairs), with the seconds and bytes of memory that they took, and how many
could be bound, in one line.
"""

from __future__ import annotations

import gc
import logging
import resource
import sys
import time
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from twisted.internet import reactor  # noqa: TID251 - a program of its own
from twisted.internet.defer import Deferred, succeed
from twisted.protocols.portforward import ProxyFactory
from zope.interface import implementer

from webspaced.core.address import Endpoint
from webspaced.core.forward import Forward
from webspaced.core.probing import Ask
from webspaced.forward.choice import Seats, lines_for
from webspaced.forward.listeners import Listeners, Where
from webspaced.forward.means import Means
from webspaced.forward.refusals import Refusals
from webspaced.interfaces import IBootGate
from webspaced.lib.places import Places
from webspaced.webspaces.conditions import Conditions

LOOPBACK = ip_address("127.0.0.1")
BOOT = 0.5
BOOTING = 1
"""The internal port that stands for what boots."""
MANY = 100_000
FIRST_LISTENER = 30_000
ASIDE = "127.77.0.1"
"""An address of loopback that nobody else has: ports there are free."""


@implementer(IBootGate)
class Gate:
    """Open for all ports but the booting one."""

    def __init__(self, backend: int) -> None:
        self._endpoints: dict[int, Endpoint] = {}
        self._backend = backend
        self._waiting: list[Deferred[Endpoint]] = []

    def ready_now(self, uid: int, port: int, asks: Ask = Ask.CONNECTION) -> Endpoint | None:
        """Look it up."""
        if port == BOOTING:
            return None
        endpoint = self._endpoints.get(port)
        if endpoint is None:
            endpoint = self._endpoints[port] = Endpoint(LOOPBACK, port)
        return endpoint

    def ready(self, uid: int, port: int, asks: Ask = Ask.CONNECTION) -> Deferred[Endpoint]:
        """Boot."""
        if port != BOOTING:
            return succeed(Endpoint(LOOPBACK, port))
        if not self._waiting:
            reactor.callLater(BOOT, self._open)
        self._waiting.append(Deferred())
        return self._waiting[-1]

    def _open(self) -> None:
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(Endpoint(LOOPBACK, self._backend))

    async def suspect(self, uid: int, endpoint: Endpoint, *, refused: bool, asks: Ask = Ask.CONNECTION) -> None:
        """Nothing to look at."""


def _listeners(backend: int, address: str = "127.0.0.1") -> Listeners:
    seats = Seats(Places(MANY, MANY), Places(MANY, MANY))
    means = Means(
        clock=reactor,
        gate=Gate(backend),
        lines=lines_for(reactor, seats),
        places=Places(MANY, MANY),
        seats=seats.forwards,
        refusals=Refusals(reactor),
        by_visitor=True,
    )
    return Listeners(means, Conditions(reactor), Where(forwards=address, boot=address), lambda _: None)


def _ours(pairs: Sequence[tuple[int, int]]) -> Listeners:
    listeners = _listeners(next(backend for _, backend in reversed(pairs) if backend))
    listeners.want_forwards(1, {listen: Forward(backend or BOOTING) for listen, backend in pairs})
    return listeners


def _stock(pairs: Sequence[tuple[int, int]]) -> None:
    for listen, backend in pairs:
        factory: Any = ProxyFactory("127.0.0.1", backend)
        factory.noisy = False
        reactor.listenTCP(listen, factory, 511, "127.0.0.1")


def resident() -> int:
    """Bytes of memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _count(number: int) -> Listeners:
    began, before = time.monotonic(), resident()
    listeners = _listeners(1, ASIDE)
    for uid in range(number // 10):
        first = FIRST_LISTENER + uid * 10
        listeners.want_forwards(uid, dict.fromkeys(range(first, first + 10), Forward(80)))
    print(time.monotonic() - began, resident() - before, len(listeners.counters_by_port()), flush=True)
    return listeners


def main() -> None:
    """Run it until it is killed."""
    logging.disable()
    kind, *rest = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    if kind == "listeners":
        kept: Any = _count(int(rest[0]))
    else:
        pairs = [(int(listen), int(backend)) for listen, _, backend in (pair.partition("=") for pair in rest)]
        kept = (_ours if kind == "ours" else _stock)(pairs)
    # As the daemon does, once it has started.
    gc.collect()
    gc.freeze()
    reactor.run()
    del kept


if __name__ == "__main__":
    main()
