"""Whether the machines that run the containers have memory left (design decision 17)."""

from __future__ import annotations

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from webspaced.core.room import Memory
from webspaced.errors import DeadlineExceeded, NotFound, RemoteError
from webspaced.interfaces import IHostKernel, IInstances
from webspaced.webspaces.registry import Registry
from webspaced.webspaces.room import Room

LOOK = 5.0
"""Seconds between looks."""


@frozen(kw_only=True)
class MemoryLimits:
    """Memory is short when less than ``low`` of it is free, until ``high`` is; shares from 0 to 1, 0 for no bound.

    ``pressure``: so is it while, in percent, something waits for memory for that much of the time; 0 for no bound.
    """

    low: float
    high: float
    pressure: float


class MemoryWatch:
    """Tells :class:`Room` where memory is short."""

    log = Logger()

    def __init__(
        self, registry: Registry, instances: IInstances, host: IHostKernel, room: Room, limits: MemoryLimits, *, local: bool
    ) -> None:
        """:param local: whether webspaced runs on the machine of the containers."""
        self._registry = registry
        self._instances = instances
        self._host = host
        self._room = room
        self._limits = limits
        self._local = local

    def look(self) -> Deferred[None]:
        """Look at every machine that has webspaces."""
        return Deferred.fromCoroutine(self._look())

    async def _look(self) -> None:
        short = set()
        for location in sorted({each.instance.location for each in self._registry}):
            if await self._is_short(location):
                short.add(location)
        before, self._room.short = self._room.short, frozenset(short)
        if before != self._room.short:
            self.log.warn("memory is short at: {where}", where=sorted(short) or "none any more")
        self._room.look()
        if short:
            self._room.wanted()

    def _has_room_for(self, location: str, memory: Memory) -> int:
        """Give how many more there is memory for; one at least."""
        alive = sum(each.lives and each.instance.location == location for each in self._registry)
        # What one of them takes: rather too much, as all else on the machine counts, too.
        taken = max(1.0, memory.used / max(1, alive))
        return max(1, int((memory.free - self._limits.low) * memory.total / taken))

    async def _is_short(self, location: str) -> bool:
        was = location in self._room.short
        if self._limits.pressure and self._local:
            # Half of what begins it ends it, so that it does not go up and down.
            pressure = self._host.memory_pressure()
            if pressure >= self._limits.pressure or (was and pressure > self._limits.pressure / 2):
                return True
        try:
            memory = await self._instances.memory(location)
        except (RemoteError, NotFound, DeadlineExceeded) as error:
            self.log.info("the memory of {where} cannot be read: {error}", where=location, error=str(error))
            return was
        if self._room.is_recovering(location):
            self._room.allow(location, self._has_room_for(location, memory))
        return memory.free < (self._limits.high if was else self._limits.low)
