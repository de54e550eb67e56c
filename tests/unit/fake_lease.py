"""A lease in memory: a verified fake."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from zope.interface import implementer

from tests.unit.timing import Time
from webspaced.core.lease import Claim, name_of
from webspaced.errors import Changed, Unavailable
from webspaced.interfaces import ILeaderMark, ILease
from webspaced.lib.deferreds import sleep


class Stored:
    """What is kept: the claim, and every holder that was ever written, in order, with the time."""

    def __init__(self) -> None:
        self.claim: Claim | None = None
        self.written: list[tuple[float, str]] = []

    @property
    def name(self) -> str:
        """The name of who holds it."""
        return "" if self.claim is None else name_of(self.claim.holder)


@implementer(ILease)
class FakeLease:
    """One daemon's way to what is kept: ``away``: it cannot be reached; ``lost``: writes arrive, their answers do not;
    ``hung``: nobody answers."""

    def __init__(self, clock: Time, stored: Stored, delay: float = 0.01) -> None:
        self.away = self.lost = self.hung = False
        self.writes = 0
        self._clock = clock
        self._stored = stored
        self._delay = delay

    async def read(self) -> Claim | None:
        await self._reach()
        return self._stored.claim

    async def write(self, holder: str, over: Claim | None) -> Claim:
        await self._reach()
        present = self._stored.claim
        if (present and present.version) != (over and over.version):
            raise Changed("somebody wrote since", 409)
        self.writes += 1
        version = 1 if present is None else present.version + 1
        self._stored.claim = Claim(holder, str(version), version)
        self._stored.written.append((self._clock.seconds(), holder))
        if self.lost:
            raise Unavailable("the answer was lost")
        return self._stored.claim

    async def _reach(self) -> None:
        if self.hung:
            await Deferred()
        await sleep(self._clock, self._delay)
        if self.away:
            raise Unavailable("it cannot be reached")


@implementer(ILeaderMark)
class FakeMark:
    """Whether others are led here; ``told`` has all that was asked for."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.errors: list[Exception] = []

    async def show(self, instead_of: str = "") -> None:
        if self.errors:
            raise self.errors.pop()
        self.told.append(f"show instead of {instead_of}" if instead_of else "show")

    async def hide(self) -> None:
        self.told.append("hide")
