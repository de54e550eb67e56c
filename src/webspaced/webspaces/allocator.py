"""Giving out what must be unique: external ports, boot ports and domains.

LXD holds what was given; this only adds what is new.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Container, Iterable, Iterator
from contextlib import contextmanager

from twisted.internet.interfaces import IReactorTime

from webspaced.core.ports import free_ports
from webspaced.errors import Conflict, DeadlineExceeded, Unavailable
from webspaced.webspaces.claims import Claims
from webspaced.webspaces.registry import Registry

WRITTEN_PERHAPS = (Unavailable, DeadlineExceeded)
"""Errors of a change after which LXD may have it all the same: nobody else gets it until everything was seen again."""
REST = 600.0
"""Seconds for which a boot port that somebody's route may still name is not given to anybody else."""


class Allocator:
    """One for the process; rebuilt from LXD by being built on the registry."""

    def __init__(
        self,
        clock: IReactorTime,
        registry: Registry,
        claims: Claims,
        *,
        external: range,
        boot: range,
        pick: Callable[[int], int] = secrets.randbelow,
        can_bind: Callable[[int], bool] = lambda _port: True,
    ) -> None:
        self.external = external
        self.boot = boot
        self._clock = clock
        self._registry = registry
        self._claims = claims
        self._pick = pick
        self._can_bind = can_bind
        self._claimed_external: set[int] = set()
        self._claimed_boot: set[int] = set()
        self._claimed_domains: set[str] = set()
        self._doubtful_ports: dict[int, int] = {}
        self._doubtful_domains: dict[str, int] = {}
        self._resting: dict[int, tuple[float, int | None]] = {}

    def granting(self) -> float:
        """Give the time of a grant that is made now (seconds since the epoch), later than all others."""
        return self._claims.granting()

    def rest(self, boot_ports: Iterable[int], uid: int | None = None) -> None:
        """Keep boot ports from being given for ten minutes: a route of a webspace that is gone may still name them.

        :param uid: whose that is: they get it again, or who creates and deletes all the time would use all of them up.
        """
        self._wake_rested()
        until = self._clock.seconds() + REST
        for port in boot_ports:
            _, before = self._resting.get(port, (until, uid))
            self._resting[port] = (until, uid if before == uid else None)

    @contextmanager
    def external_port(self, port: int, uid: int) -> Iterator[None]:
        """Hold a wanted external port for a webspace while it is written to LXD; ``Conflict`` if anybody has it."""
        if port in self._used_external() and self._doubtful_ports.get(port) != uid:
            message = f"port {port} is in use"
            raise Conflict(message)
        self._claimed_external.add(port)
        try:
            yield
        except WRITTEN_PERHAPS:
            self._doubtful_ports[port] = uid
            raise
        finally:
            self._claimed_external.discard(port)

    @contextmanager
    def domain(self, domain: str, uid: int, *, instead_of: Collection[int] = ()) -> Iterator[None]:
        """Hold a domain for a webspace while it is proved and written to LXD; ``Conflict`` if a webspace has it.

        :param instead_of: webspaces that have it without being entitled to it any more.
        """
        had = set(self._claims.claimants(domain)) - {uid, *instead_of}
        if had or domain in self._claimed_domains or self._doubtful_domains.get(domain, uid) != uid:
            message = f"{domain} is in use"
            raise Conflict(message)
        self._claimed_domains.add(domain)
        try:
            yield
        except WRITTEN_PERHAPS:
            self._doubtful_domains[domain] = uid
            raise
        finally:
            self._claimed_domains.discard(domain)

    def everything_seen(self) -> None:
        """Say that a full pass is over: what was perhaps written before it is in the registry, or was not written."""
        self._doubtful_ports.clear()
        self._doubtful_domains.clear()

    def free_external_ports(self) -> Iterator[int]:
        """Give free external ports to try, in no order that could be guessed."""
        return free_ports(self.external, self._used_external(), self._pick)

    @contextmanager
    def boot_port(self, uid: int | None = None) -> Iterator[int]:
        """Hold a new boot port while it is written to LXD; ``Conflict`` if there is none left.

        :param uid: whose it will be.
        """
        self._wake_rested()
        taken = {o.boot_port for o in self._registry if o.boot_port} | self._claimed_boot
        own = [port for port, (_, owner) in self._resting.items() if owner is not None and owner == uid]
        again = (port for port in own if port in self.boot and port not in taken and self._can_bind(port))
        port = next(again, None) or self._free_boot_port(taken | self._resting.keys())
        self._claimed_boot.add(port)
        try:
            yield port
        finally:
            self._claimed_boot.discard(port)

    def _free_boot_port(self, used: Container[int]) -> int:
        for port in free_ports(self.boot, used, self._pick):
            # Somebody else's program may have it: its visitors would be sent there.
            if self._can_bind(port):
                return port
        message = f"no free boot port is left in {self.boot.start} to {self.boot.stop - 1}"
        raise Conflict(message)

    def _used_external(self) -> set[int]:
        known = {port for observed in self._registry for port in observed.webspace.ports}
        return known | self._claimed_external | self._doubtful_ports.keys()

    def _wake_rested(self) -> None:
        now = self._clock.seconds()
        self._resting = {port: rest for port, rest in self._resting.items() if rest[0] > now}
