"""The streams that there are: those that the settings name, and those of owners all of whose repositories are allowed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from webspaced.images.stream import Stream
from webspaced.lib.buckets import Buckets, Rate
from webspaced.lib.deferreds import Flights
from webspaced.lib.expiring import ExpiringCache
from webspaced.lib.periodic import Periodic

PATIENCE = 25.0
"""Seconds for which a client waits for the first look at a repository; LXD itself waits for 30."""
UNKNOWN_TIME = 300.0
"""Seconds for which it counts that a repository is not there."""
MOST_FOUND = 100
"""How many repositories of such owners are served."""
DISCOVERIES = Rate(1 / 60, 10)
"""How often a name that nobody asked for before is looked up: the API has a limit, and anybody can make up names."""


class Streams(MultiService):
    """By their paths, in whichever case; paths are whole segments. Each is looked at again and again while this runs."""

    def __init__(
        self, clock: IReactorTime, named: Sequence[tuple[Stream, float]], owners: Sequence[str],
        make: Callable[[str, str], tuple[Stream, float]],
    ) -> None:  # fmt: skip
        """Serve these, each with the seconds between two looks at it.

        :param owners: all of whose repositories are served, when somebody asks.
        :param make: gives the stream of an owner's repository in the same way.
        """
        super().__init__()
        self._clock = clock
        self._streams: dict[str, Stream] = {}
        self._owners = {owner.lower(): owner for owner in owners}
        self._make = make
        self._absent: ExpiringCache[str, bool] = ExpiringCache(clock, 4096)
        self._discoveries: Flights[str, Stream | None] = Flights()
        self._bucket: Buckets[str] = Buckets(clock, DISCOVERIES, 1)
        self._found = 0
        for stream, interval in named:
            self._add(stream, interval)

    def startService(self) -> None:
        """Look at all of them now, and again after their intervals."""
        super().startService()
        for stream in self.all():
            stream.look()

    def all(self) -> Sequence[Stream]:
        """Give all, by name."""
        return [self._streams[name] for name in sorted(self._streams)]

    def find(self, path: str) -> Stream | Deferred[Stream | None] | None:
        """Give the stream that a path is in; None if there is none. A Deferred where its source is asked first."""
        segments = path.split("/")
        for count in range(len(segments), 0, -1):
            found = self._streams.get("/".join(segments[:count]).lower())
            if found is not None:
                return found
        if len(segments) < 2 or segments[0].lower() not in self._owners:  # noqa: PLR2004  (an owner and a repository)
            return None
        return self._discover(segments[0].lower(), segments[1].lower())

    def _discover(self, owner: str, repository: str) -> Deferred[Stream | None] | None:
        name = f"{owner}/{repository}"
        if name in self._discoveries:
            return self._discoveries.join(name, lambda: self._ask(owner, repository))
        if self._absent.get(name) or self._found >= MOST_FOUND or self._bucket.take("") > 0:
            return None
        return self._discoveries.join(name, lambda: self._ask(owner, repository))

    async def _ask(self, owner: str, repository: str) -> Stream | None:
        stream, interval = self._make(self._owners[owner], repository)
        # What takes longer is being read, and what there is of it is served from now on.
        await stream.look().addTimeout(PATIENCE, self._clock)
        if stream.snapshot is None and stream.trouble:
            self._absent.put(stream.name.lower(), True, UNKNOWN_TIME)
            return None
        self._found += 1
        self._add(stream, interval)
        return stream

    def _add(self, stream: Stream, interval: float) -> None:
        self._streams[stream.name.lower()] = stream
        Periodic(self._clock, interval, f"the look at {stream.name}", stream.look).setServiceParent(self)
