"""Routes as keys in a Redis that Traefik watches.

Only what differs is written, and all of one change in one transaction. What is there is never taken on trust: Redis may
have been restarted or emptied, or somebody may have changed a key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from webspaced.core.routes import Route
from webspaced.errors import Unavailable
from webspaced.interfaces import IRouteStore
from webspaced.lib.deferreds import sleep
from webspaced.lib.measures import Calls
from webspaced.lib.threads import Threads
from webspaced.traefik.generations import Generations
from webspaced.traefik.keys import Keyspace, Owned, differing, least_change
from webspaced.traefik.redis_server import NEEDED, NOTIFY, News, Notifications, RedisServer
from webspaced.traefik.render import SENTINEL, EntryPoints, generations_in

RETRY = 0.25
"""Seconds between tries to reach a Redis that went away: what it lost is to be back within a second of its return."""
MESSAGES = {
    Notifications.SET: "Redis did not tell of changed keys, and was told to: put it into its configuration, too ({line})",
    Notifications.REFUSED: "Traefik does not see changed routes: Redis does not tell of changed keys, and does not let"
    " webspaced set that; put into its configuration: {line}",
    Notifications.UNKNOWN: "whether Traefik sees changed routes is not known: Redis does not let webspaced look; its"
    " configuration needs: {line}",
}
LINE = f"{NOTIFY} {NEEDED}"


@implementer(IRouteStore)
class RedisStore:
    """See :class:`webspaced.interfaces.IRouteStore`."""

    log = Logger()

    def __init__(
        self, clock: IReactorTime, server: RedisServer, threads: Threads, keyspace: Keyspace, entry_points: EntryPoints
    ) -> None:
        """Keep routes there; the threads are two of the store's own."""
        self.calls = Calls(clock, "redis")
        self._clock = clock
        self._server = server
        self._threads = threads
        self._keyspace = keyspace
        self._entry_points = entry_points
        self._lock = DeferredLock()
        self._generations = Generations()
        self._recent: list[int] = []
        self._wanted: Owned = {SENTINEL: keyspace.shared(entry_points)}
        self._found: Owned = {}
        self._suspect: set[str] = set()
        self._is_certain = False
        self._is_published = False
        self._is_stopping = False
        self._is_away = False
        self._notifications = Notifications.ON
        self._watching: Deferred[None] | None = None

    async def load(self) -> Mapping[str, Route]:
        async with self._lock:
            await self._check_notifications()
            await self._read()
            # In a thread: of many, this takes its time.
            routes, wanted = await self._threads.run(self._understand, self._found)
            self._recent = generations_in(self._found.get(SENTINEL, {}).get(self._keyspace.mark, ""))
            self._generations.found(self._recent)
            self._wanted = {**wanted, SENTINEL: self._keyspace.shared(self._entry_points, self._recent)}
            self._suspect.update(self._found, self._wanted)
            return routes

    async def apply(self, put: Mapping[str, Route], remove: Sequence[str]) -> int | None:
        async with self._lock:
            self._want(put, remove)
            if not self._is_certain:
                await self._read()
                self._suspect |= differing(self._found, self._wanted)
            written = await self._write()
            self._is_published = True
            return written

    async def differs(self) -> Collection[str] | None:
        async with self._lock:
            await self._check_notifications()
            await self._read()
            if self._is_published and not self._server.sees_subscribers:
                await self._remind()
            return self._told(differing(self._found, self._wanted))

    def watch(self, differ: Callable[[Collection[str]], None]) -> None:
        """See :class:`webspaced.interfaces.IRouteStore`."""
        self._watching = Deferred.fromCoroutine(self._watch(differ))

    async def stop(self) -> None:
        """See :class:`webspaced.interfaces.IRouteStore`."""
        self._is_stopping = True
        if self._watching is not None:
            await self._watching
        async with self._lock:
            self._threads.stop()
            self._server.close()

    def _understand(self, found: Owned) -> tuple[Mapping[str, Route], Owned]:
        routes = self._keyspace.routes(found)
        return routes, {name: self._keyspace.keys_of(route, self._entry_points) for name, route in routes.items()}

    # --- writing; whoever calls these has the lock

    def _want(self, put: Mapping[str, Route], remove: Sequence[str]) -> None:
        # Others may have removed what serves all: that is no route, and never not wanted.
        gone = set(remove) - {SENTINEL}
        for name in gone:
            self._wanted.pop(name, None)
        for name, route in put.items():
            self._wanted[name] = self._keyspace.keys_of(route, self._entry_points)
        self._suspect.update(put, gone)

    async def _write(self) -> int | None:
        put, remove = least_change(self._found, self._wanted, self._suspect)
        if put or remove:
            # All of it is one transaction.
            self._recent = self._generations.following(self._recent)
            self._wanted[SENTINEL] = self._keyspace.shared(self._entry_points, self._recent)
            self._suspect.add(SENTINEL)
            put, remove = least_change(self._found, self._wanted, self._suspect)
            # Until Redis has answered, and if it does not, nobody knows what is there.
            self._is_certain = False
            await self.calls.measured("write", self._threads.run(self._server.write, put, remove))
            self._is_certain = True
        for name in self._suspect:
            if name in self._wanted:
                self._found[name] = self._wanted[name]
            else:
                self._found.pop(name, None)
        self._suspect.clear()
        return self._recent[0] if put or remove else None

    async def _read(self) -> None:
        self._found = await self.calls.measured("read", self._threads.run(self._read_now))
        self._is_certain = True

    def _read_now(self) -> Owned:
        """Read in a thread, and sort there, too: many keys take their time."""
        return self._keyspace.owned(self._server.read(self._is_ours))

    def _told(self, names: set[str]) -> Collection[str] | None:
        self._suspect |= names
        return names - {SENTINEL} if names else None

    async def _check_notifications(self) -> None:
        state = await self.calls.measured("notifications", self._threads.run(self._server.ensure_notifications))
        if state is not self._notifications and state in MESSAGES:
            self.log.warn(MESSAGES[state], event="redis.notifications", line=LINE)
        self._notifications = state

    async def _remind(self) -> None:
        """Let Traefik look again: whoever was cut off from Redis for a moment has missed what was changed then."""
        mark = self._wanted[SENTINEL][self._keyspace.mark]
        await self.calls.measured("remind", self._threads.run(self._server.remind, mark))

    # --- watching

    async def _watch(self, differ: Callable[[Collection[str]], None]) -> None:
        while not self._is_stopping:
            try:
                await self._watch_once(differ)
            except CancelledError:
                raise
            except Unavailable as error:
                await self._missing(str(error))
            except Exception:  # noqa: BLE001  (who stops to watch for ever is worse)
                self.log.failure("Redis is not watched", event="redis.broke")
                await self._missing("an error of webspaced's own")

    async def _watch_once(self, differ: Callable[[Collection[str]], None]) -> None:
        news = await self.calls.measured("news", self._threads.run(self._server.news))
        if self._is_stopping or not self._is_published:
            return
        names = await (self._return() if self._is_away else self._consider(news))
        if names is not None and not self._is_stopping:
            differ(names)

    async def _return(self) -> Collection[str]:
        names = await self.differs()
        self._is_away = False
        self.log.info("Redis is back", event="redis.found")
        # Even if nothing is lost: whatever could not be written meanwhile can be now.
        return names or ()

    async def _consider(self, news: News) -> Collection[str] | None:
        """Look at what may have changed, most often by ourselves; gives what differs, if anything."""
        if news.lost:
            return await self.differs()
        async with self._lock:
            names = await self._look_at(news.keys) if news.keys else None
            if news.subscribed:
                await self._remind()
        return names

    async def _look_at(self, keys: Collection[str]) -> Collection[str] | None:
        mine = [key for key in keys if self._is_ours(key)]
        values = await self.calls.measured("read_some", self._threads.run(self._server.read_some, mine))
        owners = {owner for key in mine if (owner := self._keyspace.owner(key))}
        # Copies: what is as it should be is the very same as what is wanted.
        found = {owner: dict(self._found.get(owner, {})) for owner in owners}
        for key in mine:
            keys_of_owner = found[self._keyspace.owner(key) or ""]
            keys_of_owner.pop(key, None)
            if key in values:
                keys_of_owner[key] = values[key]
        for owner, now in found.items():
            self._found[owner] = now
            if not now:
                del self._found[owner]
        return self._told({owner for owner in owners if self._found.get(owner) != self._wanted.get(owner)})

    async def _missing(self, error: str) -> None:
        self._is_certain = False
        if not self._is_away and not self._is_stopping:
            self._is_away = True
            self.log.warn("routes stay as they are until Redis is back: {error}", event="redis.lost", error=error)
        if not self._is_stopping:
            await sleep(self._clock, RETRY)

    def _is_ours(self, key: str) -> bool:
        return self._keyspace.owner(key) is not None
