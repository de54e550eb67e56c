"""Files of releases on disk: fetched once for all who want them, up to a bound, those asked for least recently gone first.

A file that is being fetched is ``<key>.part``; it is taken up again where it ended, also by another process after this one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.errors import Invalid, Unavailable, WebspacedError
from webspaced.images.core.release import Asset
from webspaced.images.reading import hash_file
from webspaced.lib.files import make_private_directory
from webspaced.lib.measures import Counted
from webspaced.lib.threads import Threads

Fetch = Callable[[Asset, int, Callable[[int], None], Callable[[bytes], None]], Awaitable[None]]
"""See `webspaced.images.interfaces.ISource.fetch`."""
PART = ".part"


def key_of(asset: Asset) -> str:
    """Give the name of an asset's file."""
    return hashlib.sha256(asset.id.encode()).hexdigest()


class TooLarge(Invalid):
    """The file is larger than the whole cache may be."""


@define(eq=False)
class Held:
    """A file that somebody reads, complete or still coming. ``written``: how many of its bytes are there."""

    path: Path
    size: int
    written: int
    users: int = 0
    failed: Failure | None = None
    _waiting: list[Deferred[None]] = field(factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether all of it is there, and is what it should be."""
        return self.written == self.size and not self.path.name.endswith(PART)

    def more(self) -> Deferred[None]:
        """Fire when more of it is there, or none will be: then with the reason."""
        waiting: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(waiting)
        return waiting

    def tell(self) -> None:
        """Say that more of it is there, or that it failed: a Failure begins the errback chain."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            each.callback(self.failed)


class Store:
    """The cache of all streams."""

    log = Logger()

    def __init__(self, folder: Path, most: int, threads: Threads) -> None:
        """Begin with what is in a folder.

        :param most: bytes that all files may have.
        """
        make_private_directory(folder)
        self._folder, self._most, self._threads = folder, most, threads
        # From the least recently used on.
        found = sorted((entry.stat().st_mtime, entry.name, entry.stat().st_size) for entry in os.scandir(folder))
        self._sizes = {name: size for _, name, size in found}
        self._held: dict[str, Held] = {}
        self.counts = Counted()
        """What was asked of it: ``hit``, ``shared``, ``fetched``, ``failed``, ``evicted``."""
        self.fetched_bytes = 0

    @property
    def taken(self) -> int:
        """How many bytes its files have."""
        return sum(self._sizes.values())

    async def whole(self, asset: Asset, fetch: Fetch, expected: str | None = None) -> Path:
        """Give the path of a file, once all of it is there; the caller reads it at once.

        :param expected: its SHA-256, where that is known.
        :raises TooLarge: there is no room for it, ever.
        """
        held = self.hold(asset, fetch, expected)
        try:
            while not held.is_whole:
                await held.more()
        finally:
            self.release(asset, held)
        return held.path

    def hold(self, asset: Asset, fetch: Fetch, expected: str | None = None) -> Held:
        """Give a file to read from, which begins to be fetched unless it is there; it stays until it is released."""
        if asset.url.startswith("/"):
            return Held(Path(asset.url), asset.size, asset.size, users=1)
        key = key_of(asset)
        held = self._held.get(key)
        if held is None:
            held = self._held[key] = self._begin(key, asset, fetch, expected)
        else:
            self.counts.add("hit" if held.is_whole else "shared")
        held.users += 1
        return held

    def release(self, asset: Asset, held: Held) -> None:
        """Let go of a file."""
        held.users -= 1
        key = key_of(asset)
        # A download goes on to its end: whoever asked for it will ask again.
        if held.users == 0 and (held.is_whole or held.failed) and self._held.get(key) is held:
            del self._held[key]

    def _begin(self, key: str, asset: Asset, fetch: Fetch, expected: str | None) -> Held:
        size = self._sizes.pop(key, None)
        if size is not None:
            # Last in the order of use, also for the next process.
            self._sizes[key] = size
            with suppress(OSError):
                os.utime(self._folder / key)
            if size == asset.size:
                self.counts.add("hit")
                return Held(self._folder / key, asset.size, asset.size)
        self._make_room(asset.size)
        held = Held(self._folder / f"{key}{PART}", asset.size, 0)
        # Its room is kept for it.
        self._sizes[held.path.name] = asset.size
        running = Deferred.fromCoroutine(self._fetch(key, held, asset, fetch, expected))
        running.addErrback(self._failed, key, held, asset)
        return held

    async def _fetch(self, key: str, held: Held, asset: Asset, fetch: Fetch, expected: str | None) -> None:
        with held.path.open("ab") as file:
            start = file.tell() if file.tell() < asset.size else 0

            def begin(offset: int) -> None:
                if offset > start:
                    message = f"{asset.name} comes from byte {offset}, and {start} was asked for"
                    raise Unavailable(message)
                file.truncate(offset)
                file.seek(offset)
                held.written = offset

            def feed(piece: bytes) -> None:
                if held.written + len(piece) > asset.size:
                    message = f"{asset.name} is longer than its {asset.size} bytes"
                    raise Invalid(message)
                file.write(piece)
                file.flush()
                held.written += len(piece)
                held.tell()

            await fetch(asset, start, begin, feed)
        if held.written != asset.size:
            message = f"{asset.name} ended after {held.written} of {asset.size} bytes"
            raise Unavailable(message)
        await self._accept(key, held, asset, expected)

    async def _accept(self, key: str, held: Held, asset: Asset, expected: str | None) -> None:
        if expected is not None and (found := await self._threads.run(hash_file, held.path)) != expected:
            held.path.unlink(missing_ok=True)
            message = f"{asset.name} is {found} now, and was {expected}"
            raise Invalid(message)
        whole = self._folder / key
        held.path.rename(whole)
        self._sizes.pop(held.path.name, None)
        self._sizes[key] = asset.size
        held.path = whole
        self.counts.add("fetched")
        self.fetched_bytes += asset.size
        held.tell()
        if held.users == 0:
            self._held.pop(key, None)

    def _failed(self, failure: Failure, key: str, held: Held, asset: Asset) -> None:
        if failure.check(Invalid):
            # Nothing of it is of use.
            held.path.unlink(missing_ok=True)
            self._sizes.pop(held.path.name, None)
        else:
            self._sizes[held.path.name] = held.written
        self.counts.add("failed")
        if failure.check(WebspacedError, OSError):
            self.log.warn("{name} could not be fetched: {error}", event="images.fetch-failed",
                          name=asset.name, error=failure.getErrorMessage())  # fmt: skip
        else:
            self.log.failure("{name} could not be fetched", failure, event="images.fetch-broke", name=asset.name)
        held.failed = failure
        if self._held.get(key) is held:
            # The next one who asks begins anew.
            del self._held[key]
        held.tell()

    def _make_room(self, wanted: int) -> None:
        if wanted > self._most:
            message = f"a file has {wanted} bytes, and the cache {self._most} (cache.size)"
            raise TooLarge(message)
        taken = self.taken
        for name in list(self._sizes):
            if taken + wanted <= self._most:
                return
            if name.removesuffix(PART) not in self._held:
                (self._folder / name).unlink(missing_ok=True)
                taken -= self._sizes.pop(name)
                self.counts.add("evicted")
