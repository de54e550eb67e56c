"""Keeping the published routes equal to the wanted ones, with few writes, and knowing when a change has taken effect."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.core.address import Endpoint
from webspaced.core.instance import IPAddress
from webspaced.core.routes import Difference, Route
from webspaced.errors import PartlyWritten, RoutesUnwritable
from webspaced.interfaces import IRouteStore, ITraefik
from webspaced.lib.backoff import pauses
from webspaced.lib.buckets import Buckets, Rate
from webspaced.reconcile.settling import Settling
from webspaced.reconcile.unwritten import Unwritten

FOREVER = float("inf")
LAZY_DELAY, LAZY_INTERVAL = 0.02, 1.0
"""Seconds that a lazy change waits: for the visitor who caused it to have its answer, and since the last write.

Traefik rebuilds everything at each change. When a hundred webspaces boot at once, a write for each took a fifth of the
machine from the boots themselves (``make bench BENCH=boot``: burst_ratio).
"""
FLOOR = 0.1
"""Seconds between two writes, however urgent: what is urgent meanwhile is written together. A first one after a rest does
not wait. One member's calls, as many as are allowed, made 45 writes a second, and Traefik did nothing but read routes."""
OFTEN, MANY = Rate(per_second=1.0, burst=10.0), 10_000
"""How often one webspace's route may change: whoever turns a switch on and off all the time waits, and nobody else."""
WRITE_LIMIT, TRY_LIMIT = 10.0, 2.0
"""Seconds for which a member waits for a store that cannot be written, and for one that could not be for long already; the
wish stays, and is written when it can be."""


class Publisher:
    """Wanted routes by name in, writes to the store out. Nothing is written before :meth:`open`."""

    log = Logger()

    def __init__(
        self, clock: IReactorTime, store: IRouteStore, settle_time: float, may_write: Callable[[], bool] = lambda: True,
        traefik: ITraefik | None = None, now: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        """:param may_write: asked before each write: whether no other daemon can be writing.

        :param traefik: asked whether a change is in effect; without it that is believed after the settle time.

        :param now: gives seconds since the epoch.
        """
        self.unwritten = Unwritten(clock, now)
        self._may_write = may_write
        self._clock = clock
        self._store = store
        self._settle_time = settle_time
        self._wanted: dict[str, Route] = {}
        self._actual: dict[str, Route] = {}
        self._differing: set[str] = set()
        self.settling = Settling(clock, traefik)
        self._changed: dict[str, tuple[float, int | None]] = {}
        self._often: Buckets[str] = Buckets(clock, OFTEN, MANY)
        self._held: dict[str, float] = {}
        self._naming: dict[IPAddress, dict[str, float]] = {}
        self._named: dict[str, set[IPAddress]] = {}
        self._open = self._renew = self._uncertain = False
        self._written = self._tried = -LAZY_INTERVAL
        self._stale: dict[str, int] = {}
        self._marks = 0
        self._pending: IDelayedCall | None = None
        self._flushing: Deferred[None] | None = None
        self._resting: Deferred[None] | None = None
        self._waiting: list[tuple[str, Deferred[bool]]] = []
        self.writes = self.failures = 0

    def counts(self) -> tuple[int, int, int]:
        """Give how many routes are wanted, published, and to be written."""
        return len(self._wanted), len(self._actual), len(self._differing | self._stale.keys())

    async def load(self) -> Collection[Endpoint]:
        """Read what is published, and give the backends that it names."""
        self._actual = dict(await self._store.load())
        for name, route in self._actual.items():
            self._name(route)
            self._compare(name)
        self._store.watch(self.mark_stale)
        return {route.backend for route in self._actual.values()}

    def open(self) -> None:
        """Begin to write: what is wanted is complete now.

        The store is told once even if nothing differs: a new version may render the same routes in another way.
        """
        if self._open:
            return
        self._open = self._renew = True
        self._kick()
        self._tell_waiting()

    def suspend(self) -> None:
        """Give up what is being written: another daemon may be writing soon. What became of it is not known."""
        if self._flushing is not None:
            self._flushing.cancel()

    def resume(self) -> None:
        """Write on: no other daemon does."""
        self._kick()

    def check(self) -> Deferred[None]:
        """Look whether the store still has what was written; what others lost or changed is written again."""
        return Deferred.fromCoroutine(self._check())

    async def _check(self) -> None:
        if self._open and self._flushing is None and (names := await self._store.differs()) is not None:
            text = "what is published was changed by others and is written again: {names}"
            self.log.warn(text, event="routes.foreign-change", names=sorted(names))
            self.mark_stale(names)

    def mark_stale(self, names: Collection[str]) -> None:
        """Write these again, or remove them again: they are not published as they were written.

        A store that says so is there: what could not be written a moment ago is tried at once.
        """
        self._mark(names)
        self.unwritten.hurry(names)
        self._rested()
        self._kick()

    def _mark(self, names: Collection[str]) -> None:
        self._renew = True
        self._marks += 1
        self._stale.update(dict.fromkeys(names, self._marks))

    def published(self, name: str) -> Endpoint | None:
        """Give the backend that the published route names."""
        route = self._actual.get(name)
        return None if route is None else route.backend

    def routes(self) -> Mapping[str, Route]:
        """Give what is published."""
        return dict(self._actual)

    def differences(self) -> Mapping[str, tuple[Route | None, Route | None]]:
        """Give the routes that are not published as they are wanted: wanted and actual, ``None`` for none."""
        names = sorted(self._differing | self._stale.keys())
        return {name: (self._wanted.get(name), self._actual.get(name)) for name in names}

    def named_by_others(self, address: IPAddress, name: str) -> bool:
        """Whether Traefik may still send another webspace's visitors to this address."""
        now = self._clock.seconds()
        return any(until > now for other, until in self._naming.get(address, {}).items() if other != name)

    def want(self, name: str, route: Route | None, *, lazy: bool = False) -> None:
        """Make this the wanted route; ``None``: no route.

        :param lazy: nobody is served worse while the published route stays as it is: the change may wait for others.
        """
        if self._wanted.get(name) == route:
            return
        if route is None:
            del self._wanted[name]
        else:
            self._wanted[name] = route
        self._compare(name)
        self._kick(self._lazy_delay() if lazy else 0.0)

    def keep(self, name: str) -> Route | None:
        """Leave a route as it is published, if it is, and give it: nothing is known of its webspace."""
        route = self._actual.get(name)
        if route is not None:
            self._wanted.setdefault(name, route)
            self._compare(name)
        return route

    def _compare(self, name: str) -> None:
        # One at a time: of ten thousand all could not be compared at each change.
        if self._wanted.get(name) == self._actual.get(name):
            self._differing.discard(name)
        else:
            self._differing.add(name)
        if self._is_published(name):
            self.unwritten.written((name,))

    def settled(self, name: str, *, surely: bool = False) -> Deferred[None]:
        """Fire once the wanted route of a name is published and Traefik has taken it up, or had the time to.

        :param surely: fail with ``RoutesUnwritable`` where it cannot be published, instead of going on after a while.
        """
        return Deferred.fromCoroutine(self._settle(name, surely=surely))

    async def _settle(self, name: str, *, surely: bool) -> None:
        limit = self._patience(name)
        if not self._is_published(name) and self._clock.seconds() - self._tried >= FLOOR:
            # What could not be written a moment ago is tried at once, for whoever waits.
            self.unwritten.hurry((name,))
            self._rested()
        self._kick()
        while not self._open or not self._is_published(name):
            written: Deferred[bool] = Deferred()
            self._waiting.append((name, written))
            if await written.addTimeout(limit, self._clock, lambda *_: False):
                continue
            if not self.unwritten.of(name):
                self.unwritten.failed((name,), f"the store of routes has not answered within {limit:g} s")
            if surely:
                message = f"the route of the webspace cannot be written {self.unwritten.of(name)}"
                raise RoutesUnwritable(message, WRITE_LIMIT)
            self.log.warn("the route of {instance} could not be published yet; going on", event="routes.late", instance=name)
            return
        if name in self._changed:
            changed, generation = self._changed[name]
            rest = changed + self._settle_time - self._clock.seconds()
            # Of a change that was just made, never more: whatever a clock says.
            await self.settling.wait(generation, min(rest, self._settle_time))

    def _patience(self, name: str) -> float:
        """Give for how long to wait for a route's write: where none has worked for long, one more try has to do."""
        return TRY_LIMIT if self.unwritten.lasts(name) > WRITE_LIMIT else WRITE_LIMIT

    def close(self) -> Deferred[None] | None:
        """Write no more; gives a Deferred for a write that is under way."""
        self._open = False
        if self._pending is not None and self._pending.active():
            self._pending.cancel()
        self._rested()
        return self._flushing

    async def stop(self) -> None:
        """End the store's connections, once nothing is written any more."""
        await self._store.stop()

    def _lazy_delay(self) -> float:
        return max(LAZY_DELAY, self._left_of(LAZY_INTERVAL))

    def _left_of(self, interval: float) -> float:
        """Give the seconds until so long has gone by since the last write; never more than that."""
        return min(interval, max(0.0, self._written + interval - self._clock.seconds()))

    def _kick(self, delay: float = 0.0) -> None:
        """Write after so many seconds, or earlier; 0 is the end of this turn of the reactor, so that changes gather."""
        if not self._open or self._flushing is not None:
            return
        delay = max(delay, self._left_of(FLOOR))
        if self._pending is None or not self._pending.active():
            self._pending = self._clock.callLater(delay, self._begin)
        elif self._pending.getTime() > self._clock.seconds() + delay:
            self._pending.reset(delay)

    def _begin(self) -> None:
        if self._flushing is not None:
            return
        flushing = Deferred.fromCoroutine(self._flush())
        flushing.addErrback(self._flush_failed)
        if flushing.called:
            self._come_back()
        else:
            self._flushing = flushing.addCallback(self._flushed)

    def _flush_failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.log.failure("routes could not be published", failure, event="routes.broke")

    def _flushed(self, _result: None) -> None:
        self._flushing = None
        self._come_back()

    def _come_back(self) -> None:
        """Write what had to wait, when it may."""
        waits = [*self._held.values(), *self.unwritten.resting().values()]
        if waits:
            self._kick(max(0.0, min(waits) - self._clock.seconds()))

    async def _flush(self) -> None:
        waits = pauses(0.1, 10.0)
        while self._open and self._may_write() and ((todo := self._todo()) or self._renew):
            for route in todo.put.values():
                # From here on the store may name it, even if the write fails half-way.
                self._name(route)
            try:
                # What differs anew while this is written is written again.
                self._renew, marks = False, self._marks
                self._tried = self._clock.seconds()
                generation = await self._store.apply(todo.put, sorted(todo.remove))
            except CancelledError:
                self._uncertain = True
                self._mark([*todo.put, *todo.remove])
                raise
            except PartlyWritten as error:
                todo, generation = self._without(todo, error.refused), error.generation
            except Exception as error:  # noqa: BLE001  (the store may be away for any reason; the wish stays)
                self.log.warn("routes could not be written: {error}", event="routes.write-failed", error=str(error))
                self._uncertain = True
                self.failures += 1
                # Part of it may be written, whatever is wanted by then.
                self._mark([*todo.put, *todo.remove])
                self.unwritten.failed([*todo.put, *todo.remove], error)
                await self._rest(next(waits))
                continue
            self.writes += 1
            self._written = self._clock.seconds()
            refused = self.unwritten.resting()
            self._stale = {name: mark for name, mark in self._stale.items() if mark > marks or name in refused}
            for name in todo.remove:
                self._took_effect(name, None, generation)
            for name, route in todo.put.items():
                self._took_effect(name, route, generation)
            self._tell_waiting()
            if self._differing or self._renew:
                await self._rest(FLOOR)
        if self._uncertain and self._open:
            self._uncertain = False
            self._expire_unnamed()

    def _without(self, todo: Difference, refused: Mapping[str, str]) -> Difference:
        """Give what was written, and keep the rest for later: part of it may be written."""
        self._uncertain = True
        # They rest: what is stale of them is no reason to write at once.
        renew = self._renew
        self._mark(refused)
        self._renew = renew
        self.unwritten.refused(refused)
        put = {name: route for name, route in todo.put.items() if name not in refused}
        return Difference(put=put, remove=todo.remove - refused.keys())

    async def _rest(self, seconds: float) -> None:
        self._resting = Deferred()
        await self._resting.addTimeout(seconds, self._clock, lambda *_: None)

    def _rested(self) -> None:
        if self._resting is not None and not self._resting.called:
            self._resting.callback(None)

    def _todo(self) -> Difference:
        now = self._clock.seconds()
        self._held = {name: until for name, until in self._held.items() if now < until <= now + 1 / OFTEN.per_second}
        names = ((self._differing - self._held.keys()) | self._stale.keys()) - self.unwritten.resting().keys()
        put = {name: self._wanted[name] for name in names if name in self._wanted}
        return Difference(put=put, remove=frozenset(names - put.keys()))

    def _is_published(self, name: str) -> bool:
        return name not in self._stale and self._wanted.get(name) == self._actual.get(name)

    def _expire_unnamed(self) -> None:
        """After failed writes: what is named by no published route is free once that has settled."""
        until = self._clock.seconds() + self._settle_time
        certain = [(n, addresses) for n, addresses in self._named.items() if not self.unwritten.of(n)]
        for name, addresses in certain:
            route = self._actual.get(name)
            kept = set() if route is None else {route.backend.host}
            for address in addresses - kept:
                self._naming[address][name] = until
            self._named[name] = kept
            if not kept:
                del self._named[name]

    def _took_effect(self, name: str, route: Route | None, generation: int | None) -> None:
        now = self._clock.seconds()
        host = None if route is None else route.backend.host
        for address in self._named.pop(name, set()) - {host}:
            # Traefik may go on sending visitors there until it has taken the change up.
            self._naming[address][name] = now + self._settle_time
        if route is None:
            self._actual.pop(name, None)
        else:
            self._actual[name] = route
            self._name(route)
        self._compare(name)
        self.unwritten.written((name,))
        self._changed[name] = (now, generation)
        if wait := self._often.take(name):
            self._held[name] = now + wait
        self._forget_expired(now)

    def _name(self, route: Route) -> None:
        self._naming.setdefault(route.backend.host, {})[route.name] = FOREVER
        self._named.setdefault(route.name, set()).add(route.backend.host)

    def _forget_expired(self, now: float) -> None:
        # Only now and then: the tables are small unless many webspaces come and go.
        if len(self._naming) > 2 * len(self._actual) + 64:
            for address, names in list(self._naming.items()):
                alive = {name: until for name, until in names.items() if until > now}
                if alive:
                    self._naming[address] = alive
                else:
                    del self._naming[address]
            self._changed = {n: (at, g) for n, (at, g) in self._changed.items() if at + self._settle_time > now}

    def _tell_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for name, written in waiting:
            if written.called:
                continue
            if self._is_published(name):
                written.callback(True)
            else:
                self._waiting.append((name, written))
