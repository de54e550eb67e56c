"""The parts of sleep, joined: who is idle, who puts to sleep, who looks after dozers, makes room, wakes in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from attrs import frozen
from twisted.application.service import Service

from webspaced.core.sleep import Floors, SleepRules
from webspaced.interfaces import IHostKernel, IVisitors
from webspaced.knowledge import Knowledge
from webspaced.lib.periodic import Periodic
from webspaced.lib.time_zones import own_zone
from webspaced.settings import Settings
from webspaced.webspaces.dozers import LOOK, Dozers
from webspaced.webspaces.memory import LOOK as LOOK_AT_MEMORY
from webspaced.webspaces.memory import MemoryLimits, MemoryWatch
from webspaced.webspaces.meter import Meter
from webspaced.webspaces.power import Power
from webspaced.webspaces.schedule import Alarm, Schedule
from webspaced.webspaces.sleeper import Bed, Sleeper

CROWDED_LOOK = 2.0
"""Seconds between looks while somebody waits for room."""


@frozen(kw_only=True)
class Sleeping:
    """Everything that makes webspaces sleep, and notices that they are not to."""

    sleeper: Sleeper
    dozers: Dozers
    memory: MemoryWatch
    schedule: Schedule

    def begin(self) -> None:
        """Put to sleep and wake from now on: everything has been seen, and this daemon leads."""
        self.sleeper.begin()
        self.schedule.begin()


def sleep_rules(settings: Settings) -> SleepRules:
    """Give what the operator has set."""
    sleep = settings.webspaces.sleep
    return SleepRules(
        doze_after=sleep.doze_after,
        stop_after=sleep.stop_after,
        least=sleep.least,
        allow=frozenset(sleep.allow),
        max_awake=sleep.max_awake,
        wake_every=sleep.wake_every,
        zone=ZoneInfo(sleep.time_zone) if sleep.time_zone else own_zone(),
    )


def build_sleeping(
    reactor: Any, settings: Settings, known: Knowledge, visitors: IVisitors, power: Power, host: IHostKernel,
    now: Callable[[], float], leads: Callable[[], bool],
) -> Sleeping:  # fmt: skip
    """Give the parts, not started yet."""
    sleep = settings.webspaces.sleep
    floors = Floors(sent=sleep.floors.sent, received=sleep.floors.received, cpu=sleep.floors.cpu)
    limits = MemoryLimits(low=sleep.memory_low / 100, high=sleep.memory_high / 100, pressure=sleep.memory_pressure)
    rules = sleep_rules(settings)
    # A visitor's boot has a place beside those of schedules, unless there is only one.
    at_once = max(1, settings.webspaces.max_concurrent_boots - 1)
    alarm = Alarm(registry=known.registry, booter=known.booter, activity=known.activity, at_once=at_once)
    schedule = Schedule(reactor, rules, alarm, now, leads)
    meter = Meter(reactor, known.registry, known.instances, known.activity, floors)
    bed = Bed(
        registry=known.registry,
        documents=known.documents,
        booter=known.booter,
        power=power,
        activity=known.activity,
        meter=meter,
        visitors=visitors,
        room=known.room,
        schedule=schedule,
    )
    local = settings.lxd.url.startswith("unix:")
    return Sleeping(
        sleeper=Sleeper(reactor, rules, bed, now, leads),
        dozers=Dozers(reactor, known.registry, known.instances, host, known.booter, meter, known.activity),
        memory=MemoryWatch(known.registry, known.instances, host, known.room, limits, local=local),
        schedule=schedule,
    )


def sleep_looks(reactor: Any, settings: Settings, known: Knowledge, sleeping: Sleeping) -> Iterator[Service]:
    """Give what looks again and again. Who dozes is looked after also where nobody falls asleep any more."""
    sleeper = sleeping.sleeper
    yield sleeping.schedule
    yield Periodic(reactor, LOOK, "the look at who dozes", sleeping.dozers.look)
    if sleeper.is_needed:
        every = settings.webspaces.sleep.look
        yield Periodic(reactor, every, "the look at who is active", sleeper.look)
        if every > CROWDED_LOOK:
            crowded = partial(_look_if_crowded, known, sleeper)
            yield Periodic(reactor, CROWDED_LOOK, "the look for room", crowded)
        if settings.webspaces.sleep.memory_low or settings.webspaces.sleep.memory_pressure:
            yield Periodic(reactor, LOOK_AT_MEMORY, "the look at memory", sleeping.memory.look)


def _look_if_crowded(known: Knowledge, sleeper: Sleeper) -> Any:
    return sleeper.look() if known.room.lacking else None
