"""Whether the machines that run the containers have memory left (design decision 17)."""

from __future__ import annotations

from math import ceil

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
        self.limits = limits
        self._local = local

    def look(self) -> Deferred[None]:
        """Look at every machine that has webspaces."""
        return Deferred.fromCoroutine(self._look())

    async def _look(self) -> None:
        short = {}
        bounded = self.limits.low or self.limits.pressure
        for location in sorted({each.instance.location for each in self._registry}) if bounded else ():
            if excess := await self._excess(location):
                short[location] = excess
        before, self._room.short = self._room.short, short
        if before.keys() != short.keys():
            self.log.warn("memory is short at: {where}", event="memory.short", where=sorted(short) or "none any more")
        self._room.look()
        if short:
            self._room.wanted()

    async def _excess(self, location: str) -> int:
        """Give how many are to be stopped there; 0 where memory is not short."""
        was = location in self._room.short
        pressed = self._is_pressed(was=was)
        try:
            memory = await self._instances.memory(location)
        except (RemoteError, NotFound, DeadlineExceeded) as error:
            self.log.info(
                "the memory of {where} cannot be read: {error}", event="memory.unread", where=location, error=str(error)
            )
            return int(pressed or was)
        each = self._taken_by_each(location, memory)
        if self._room.is_recovering(location):
            self._room.allow(location, max(1, int((memory.free - self.limits.low) * memory.total / each)))
        if memory.free >= (self.limits.high if was else self.limits.low):
            return int(pressed)
        return max(1, ceil((self.limits.high - memory.free) * memory.total / each))

    def _is_pressed(self, *, was: bool) -> bool:
        """Whether processes wait for memory. Half of what begins it ends it, so that it does not go up and down."""
        if not self.limits.pressure or not self._local:
            return False
        pressure = self._host.memory_pressure()
        return pressure >= self.limits.pressure or (was and pressure > self.limits.pressure / 2)

    def _taken_by_each(self, location: str, memory: Memory) -> float:
        """Give the bytes that one of them takes: rather too many, as all else on the machine counts, too."""
        alive = sum(each.lives and each.instance.location == location for each in self._registry)
        return max(1.0, memory.used / max(1, alive))
