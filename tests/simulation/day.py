"""A day of many webspaces, whose visitors come as they do to real sites: what sleep saves, and what it costs them.

The whole daemon on the simulated LXD and a clock that runs as fast as it can. Visitors are led where the published
routes lead, in no time, and by no stale ones: Traefik's own delays are measured elsewhere.

people
    Sessions, of pages 20 s apart on average: which webspace is Zipf's (exponent 1), when is a day's curve with its peak at
    21 h, when there are five times as many as at 9 h.
crawlers
    Each asks every webspace for a page once a day, at any time.
scanner
    Asks all webspaces, one after the other, for three pages each, within half an hour from 3 h on.
rest
    What a container that nobody uses takes, of ``benchmarks.rest``: beside processor time, traffic below the floors.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from typing import Any

from attrs import Factory, define, frozen

from tests.simulation.client import Exchange
from tests.simulation.deployment import Deployment
from webspaced.core.config import Config
from webspaced.core.webspace import BOOT_PORT_KEY, KEY, USERNAME_KEY, Webspace
from webspaced.testing.lxd.machine import BRIDGE
from webspaced.testing.lxd.things import Instance, Phase

HOUR, MINUTE, MB, GB = 3600.0, 60.0, 1 << 20, 1 << 30
PEAK_HOUR, RISE = 21, 2 / 3
PAGE_PAUSE, MORE_PAGES = 20.0, 0.5
SCAN_BEGINS, SCAN_LASTS, SCANNED = 3 * HOUR, HOUR / 2, 3
LONGEST_VISIT = 120.0
IDLE_CPU = 0.0041
"""Seconds of processor time that a Debian container with a web server takes in a minute at rest, at most."""
IDLE_SENT, IDLE_RECEIVED = 70, 150
"""Bytes that it sends (the median) and receives (at most) in a minute then."""
NIC = {"name": "eth0", "network": BRIDGE, "type": "nic"}


@frozen(kw_only=True)
class Size:
    """How much life there is. ``sessions``: of people, for each webspace and day."""

    webspaces: int = 1000
    seconds: float = 24 * HOUR
    sessions: float = 10
    crawlers: int = 3
    memory_of_each: int = 64 * MB
    memory_for_thousand: int = 32 * GB

    @property
    def memory(self) -> int:
        """The machine's: fewer webspaces have a smaller one."""
        return self.memory_for_thousand * self.webspaces // 1000


@frozen(order=True)
class Call:
    """A page that somebody asks for."""

    at: float
    uid: int


def calls(size: Size, seed: int = 1) -> Sequence[Call]:
    """Give everything that is asked for, in order; always the same for a size."""
    chance = Random(seed)  # noqa: S311
    found = [*_people(size, chance), *_crawlers(size, chance), *_scanner(size)]
    return sorted(each for each in found if each.at < size.seconds)


def _people(size: Size, chance: Random) -> Iterator[Call]:
    uids = list(range(1, size.webspaces + 1))
    chance.shuffle(uids)
    weights = [1 / rank for rank in range(1, size.webspaces + 1)]
    for uid in chance.choices(uids, weights, k=round(size.sessions * size.webspaces * size.seconds / (24 * HOUR))):
        at = _moment(size, chance)
        yield Call(at, uid)
        while chance.random() < MORE_PAGES:
            at += chance.expovariate(1 / PAGE_PAUSE)
            yield Call(at, uid)


def _moment(size: Size, chance: Random) -> float:
    """Give a moment by the day's curve."""
    while True:
        at = chance.uniform(0, size.seconds)
        if chance.uniform(0, 1 + RISE) < 1 + RISE * math.cos((at / HOUR - PEAK_HOUR) / 12 * math.pi):
            return at


def _crawlers(size: Size, chance: Random) -> Iterator[Call]:
    for _ in range(size.crawlers):
        for uid in range(1, size.webspaces + 1):
            yield Call(chance.uniform(0, 24 * HOUR), uid)


def _scanner(size: Size) -> Iterator[Call]:
    for uid in range(1, size.webspaces + 1):
        for page in range(SCANNED):
            yield Call(SCAN_BEGINS + (uid + page / 10) * SCAN_LASTS / size.webspaces, uid)


class Visit(Exchange):
    """A page under way. ``ended``: when it came, on the clock."""

    def __init__(self, deployment: Deployment, uid: int, where: tuple[str, int]) -> None:
        self.ended: float | None = None
        self.uid = uid
        self._clock = deployment.clock
        super().__init__(deployment.reactor, where, "GET", "/", {"Host": f"m{uid}.example.org"})

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return self.ended is not None

    @done.setter
    def done(self, value: bool) -> None:
        self.ended = self._clock.seconds() if value else None


@define
class Outcome:
    """What a day was like. ``seen``: by minutes, how many were awake, and how many dozing. Seconds; bytes."""

    seen: list[tuple[int, int]] = Factory(list)
    waits: list[float] = Factory(list)
    refused: list[str] = Factory(list)
    wakes: dict[Phase, int] = Factory(lambda: dict.fromkeys((Phase.FROZEN, Phase.STOPPED), 0))
    cpu: float = 0.0
    memory: list[int] = Factory(list)


class Day:
    """Lives through what is asked for, with settings of sleep; 0 for never."""

    def __init__(self, size: Size, sleep: Mapping[str, Any], told: Callable[[str], None] = lambda _: None) -> None:
        self._size = size
        self._told = told
        self._members = {uid: f"m{uid}" for uid in range(1, size.webspaces + 1)}
        more = {"sleep": sleep, "max_concurrent_boots": 8, "resync_interval": "1h"}
        self.deployment = Deployment(self._members, more)
        self.outcome = Outcome()
        self._visits: list[Visit] = []
        self._waking: dict[int, Visit] = {}
        machine = self.deployment.lxd.machine
        machine.memory_total, machine.memory_of_each = size.memory, size.memory_of_each
        machine.memory_used = size.memory // 32
        for uid in self._members:
            instance = machine.add(f"ws-u{uid}", config=_config(uid))
            # As webspaced gives them: nobody else gets it, and nobody has to ask for the leases.
            instance.devices["eth0"] = {**NIC, "ipv4.address": str(instance.address)}
        self._instances: Mapping[int, Instance] = dict(self.deployment.instances())

    def live(self, asked: Sequence[Call]) -> Outcome:
        """Live through it, from midnight on; everybody sleeps then."""
        clock = self.deployment.clock
        self.deployment.start()
        assert clock.run_until(lambda: self.deployment.ready), "the daemon is not ready"
        self._begin = clock.seconds()
        due = [(call.at, 0, call.uid) for call in asked]
        due += [(minute * MINUTE, 1, 0) for minute in range(1, int(self._size.seconds / MINUTE) + 1)]
        heapq.heapify(due)
        while due:
            at, what, uid = heapq.heappop(due)
            clock.run_for(max(0.0, self._begin + at - clock.seconds()))
            if what:
                self._minute(round(at))
            else:
                self._visit(uid)
        clock.run_for(LONGEST_VISIT)
        self._collect()
        self.outcome.refused += [f"{visit} waits for ever" for visit in self._visits]
        return self.outcome

    def _visit(self, uid: int) -> None:
        assert self.deployment.daemon is not None
        backend = self.deployment.daemon._parts.publisher.published(f"ws-u{uid}")
        assert backend is not None, f"webspace {uid} has no route"
        phase = self._instances[uid].phase
        visit = Visit(self.deployment, uid, (str(backend.host), backend.port))
        before = self._waking.get(uid)
        if phase in self.outcome.wakes and (before is None or before.done):
            self.outcome.wakes[phase] += 1
            self._waking[uid] = visit
        self._visits.append(visit)

    def _minute(self, seconds: int) -> None:
        """See how many are awake, and let those who are do what they do at rest."""
        counts = {Phase.RUNNING: 0, Phase.FROZEN: 0}
        for instance in self._instances.values():
            if instance.phase in counts:
                counts[instance.phase] += 1
            if instance.phase is Phase.RUNNING:
                instance.used += IDLE_CPU
                instance.sent += IDLE_SENT
                instance.received += IDLE_RECEIVED
        self.outcome.cpu += counts[Phase.RUNNING] * IDLE_CPU
        self.outcome.seen.append((counts[Phase.RUNNING], counts[Phase.FROZEN]))
        self.outcome.memory.append(sum(counts.values()) * self._size.memory_of_each)
        self._collect()
        if seconds % HOUR == 0:
            self._told(f"{seconds // HOUR:g} h: {counts[Phase.RUNNING]} awake, {counts[Phase.FROZEN]} dozing")

    def _collect(self) -> None:
        """Take who is served off the list."""
        going = []
        for visit in self._visits:
            if visit.ended is None:
                going.append(visit)
            elif visit.body == f"ws-u{visit.uid}\n".encode():
                self.outcome.waits.append(visit.ended - visit.began)
            else:
                self.outcome.refused.append(f"at {visit.began - self._begin:.0f} s: {visit!r}")
        self._visits = going


def _config(uid: int) -> Mapping[str, str]:
    webspace = Webspace(user=uid, config=Config(startup_delay=3.0, http_port=80, sni_passthrough=False))
    return {KEY: webspace.dump(), USERNAME_KEY: f"m{uid}", BOOT_PORT_KEY: str(20000 + uid - 1)}
