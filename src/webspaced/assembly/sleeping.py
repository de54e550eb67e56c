"""The parts of sleep, joined: who is idle, who puts to sleep, who looks after dozers, makes room, wakes in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from zoneinfo import ZoneInfo

from attrs import frozen
from twisted.application.service import Service

from webspaced.core.sleep import Floors, SleepRules
from webspaced.interfaces import IHostKernel, IVisitors
from webspaced.lib.periodic import Periodic
from webspaced.lib.time_zones import own_zone
from webspaced.parts.knowledge import Knowledge
from webspaced.reload.live import Live
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
    meter: Meter

    def begin(self) -> None:
        """Put to sleep and wake from now on: everything has been seen, and this daemon leads."""
        self.sleeper.begin()
        self.schedule.begin()

    def follow(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        rules = sleep_rules(settings)
        self.sleeper.rules, self.meter.floors = rules, _floors(settings)
        self.memory.limits = _memory_limits(settings)
        self.schedule.change(rules, _alarms_at_once(settings))


def _floors(settings: Settings) -> Floors:
    floors = settings.webspaces.sleep.floors
    return Floors(sent=floors.sent, received=floors.received, cpu=floors.cpu)


def _memory_limits(settings: Settings) -> MemoryLimits:
    sleep = settings.webspaces.sleep
    return MemoryLimits(low=sleep.memory_low / 100, high=sleep.memory_high / 100, pressure=sleep.memory_pressure)


def _alarms_at_once(settings: Settings) -> int:
    # A visitor's boot has a place beside those of schedules, unless there is only one.
    return max(1, settings.webspaces.max_concurrent_boots - 1)


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
    reactor: Any, live: Live, known: Knowledge, visitors: IVisitors, power: Power, host: IHostKernel,
    now: Callable[[], float], leads: Callable[[], bool],
) -> Sleeping:  # fmt: skip
    """Give the parts, not started yet."""
    settings = live.settings
    rules, at_once = sleep_rules(settings), _alarms_at_once(settings)
    alarm = Alarm(registry=known.registry, booter=known.booter, activity=known.activity, at_once=at_once)
    schedule = Schedule(reactor, rules, alarm, now, leads)
    meter = Meter(reactor, known.registry, known.instances, known.activity, _floors(settings))
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
    sleeping = Sleeping(
        sleeper=Sleeper(reactor, rules, bed, now, leads),
        dozers=Dozers(reactor, known.registry, known.instances, host, known.booter, meter, known.activity),
        memory=MemoryWatch(known.registry, known.instances, host, known.room, _memory_limits(settings), local=local),
        schedule=schedule,
        meter=meter,
    )
    live.follow(sleeping.follow)
    return sleeping


def sleep_looks(reactor: Any, live: Live, known: Knowledge, sleeping: Sleeping) -> Iterator[Service]:
    """Give what looks again and again. Who dozes is looked after also where nobody falls asleep any more."""
    sleeper = sleeping.sleeper

    def every() -> float:
        return live.settings.webspaces.sleep.look

    def crowded() -> Any:
        return sleeper.look() if known.room.lacking and sleeper.is_needed and every() > CROWDED_LOOK else None

    def active() -> Any:
        return sleeper.look() if sleeper.is_needed else None

    def memory() -> Any:
        # What is still short by bounds that are gone has to be let go.
        return sleeping.memory.look() if sleeper.is_needed or known.room.short else None

    yield sleeping.schedule
    yield Periodic(reactor, LOOK, "the look at who dozes", sleeping.dozers.look)
    yield Periodic(reactor, every, "the look at who is active", active)
    yield Periodic(reactor, CROWDED_LOOK, "the look for room", crowded)
    yield Periodic(reactor, LOOK_AT_MEMORY, "the look at memory", memory)
