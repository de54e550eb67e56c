"""One stream: looks at its source again and again, reads what is new, and swaps the snapshot that is served."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from attrs import evolve, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.errors import NotFound, Temporary
from webspaced.images.core.catalogue import catalogue_of
from webspaced.images.core.names import Build, builds_of
from webspaced.images.core.products import Policy, wanted
from webspaced.images.core.release import Release
from webspaced.images.core.verdict import Hidden, Listed, judge
from webspaced.images.deltas import Deltas
from webspaced.images.interfaces import ISource
from webspaced.images.learning import Learner
from webspaced.images.ledger import Ledger, slug
from webspaced.images.snapshot import Snapshot, load_snapshot
from webspaced.images.store import Store
from webspaced.lib.deferreds import Flights
from webspaced.lib.threads import Threads

OFTEN = 10.0
"""Seconds that pass at least between two snapshots while many builds are read for the first time."""

KEPT_AGE = 300.0
"""Seconds after which it is written down that nothing has changed: a restart goes by that."""


@frozen(kw_only=True)
class Means:
    """What all streams share."""

    clock: IReactorTime
    now: Callable[[], float]
    """The time of day, in seconds since the epoch."""
    store: Store
    threads: Threads
    folder: Path
    """Where is kept what is known."""
    deltas: int = 0
    """From how many versions before the newest."""


class Stream:
    """See the module. ``name`` is its path."""

    log = Logger()

    def __init__(self, name: str, source: ISource, policy: Policy, means: Means) -> None:
        self.name = name
        self.source, self.policy = source, policy
        self._means = means
        self._path = means.folder / "snapshots" / f"{slug(name)}.json"
        self._ledger = Ledger(means.folder / "facts" / f"{slug(name)}.json")
        self._learner = Learner(source, means.store, self._ledger, means.threads)
        self._deltas = Deltas(source, means.store, means.threads, means.folder / "deltas" / slug(name), means.deltas)
        self._flights: Flights[str, None] = Flights()
        self._swapped = self._saved = 0.0
        self._taken: Sequence[Release] | None = None
        self.snapshot = self._load()
        self.hidden: Sequence[Hidden] = ()
        """What is not listed, and why."""
        self.trouble = ""
        """Why the source could not be asked the last time; empty if it could."""
        self.looked = self.snapshot is not None
        """Whether there is an answer yet, or a reason for none."""
        self.asked = 0
        """How often the source was asked."""
        self.resume_at = 0.0
        """Seconds of the clock before which the source wants no question."""

    def look(self) -> Deferred[None]:
        """Look at the source, with all who want that meanwhile; never fails."""
        return self._flights.join("", self._look).addErrback(self._broke)

    def _broke(self, failure: Failure) -> None:
        # What was asked for has gone away, which is no mistake.
        if not failure.check(CancelledError):
            self.log.failure("the look at {name} broke", failure, event="images.look-broke", name=self.name)

    def age(self) -> float:
        """Give how many seconds ago the source last said that this is what there is; infinite without any snapshot."""
        return float("inf") if self.snapshot is None else max(0.0, self._means.now() - self.snapshot.checked)

    async def _look(self) -> None:
        if self._means.clock.seconds() < self.resume_at:
            return
        self.asked += 1
        try:
            releases = await self.source.releases()
        except (Temporary, NotFound, OSError) as error:
            self._failed(error)
        else:
            if self.trouble:
                self.log.info("{name} is there again", event="images.source-found", name=self.name)
            self.trouble = ""
            await self._take(releases)
        finally:
            self.looked = True

    def _failed(self, error: Exception) -> None:
        if isinstance(error, Temporary):
            self.resume_at = self._means.clock.seconds() + error.retry_after
        if str(error) != self.trouble:
            self.log.warn("{name} cannot be asked, and is served as it was: {error}", event="images.source-lost",
                          name=self.name, error=str(error))  # fmt: skip
        self.trouble = str(error)

    async def _take(self, releases: Sequence[Release]) -> None:
        if self.snapshot is not None and releases == self._taken:
            self.snapshot = evolve(self.snapshot, checked=self._means.now())
            if self._means.clock.seconds() - self._saved >= KEPT_AGE:
                self._save(self.snapshot)
            return
        await self._read([build for release in releases for build in builds_of(release)])
        # What could not be read is to be tried again.
        self._taken = None if any(each.kind == "unread" for each in self.hidden) else releases

    async def _read(self, builds: Sequence[Build]) -> None:
        chosen = wanted(builds, self.policy)
        unfinished = [each for each in builds if not each.is_complete]
        self._swapped = self._means.clock.seconds()
        for build in chosen:
            read = await self._learner.learn(build)
            if read and self._means.clock.seconds() - self._swapped > OFTEN:
                self._publish([*chosen, *unfinished])
        complete = await self._with_deltas(chosen)
        self._publish([*complete, *unfinished])
        self._forget(complete)

    async def _with_deltas(self, builds: Sequence[Build]) -> Sequence[Build]:
        if not self._means.deltas:
            return builds
        listed = [each for each in (judge(build, self._ledger.facts) for build in builds) if isinstance(each, Listed)]
        made = await self._deltas.make(listed)
        found: list[Build] = []
        for build in builds:
            more = made.get((build.image, build.version, build.arch), {})
            deltas = {base: delta.asset for base, delta in more.items() if base not in build.deltas}
            for delta in more.values():
                self._ledger.note("sha256", delta.asset.id, delta.sha256)
            found.append(evolve(build, deltas={**build.deltas, **deltas}))
        return found

    def _publish(self, builds: Sequence[Build]) -> None:
        """Judge all builds, and serve what can be from now on."""
        verdicts = [judge(build, self._ledger.facts) for build in builds]
        self._note_hidden([each for each in verdicts if isinstance(each, Hidden)])
        catalogue = catalogue_of([each for each in verdicts if isinstance(each, Listed)], self.policy)
        now = self._means.now()
        self._ledger.save()
        snapshot = Snapshot.of(catalogue, now).after(self.snapshot, now)
        changed = self.snapshot is None or snapshot.bodies != self.snapshot.bodies
        self.snapshot, self._swapped = snapshot, self._means.clock.seconds()
        self._save(snapshot)
        if changed:
            count = sum(len(product.listed) for product in catalogue.products)
            self.log.info("{name} lists {count} builds", event="images.listed", name=self.name, count=count)

    def _save(self, snapshot: Snapshot) -> None:
        snapshot.save(self._path)
        self._saved = self._means.clock.seconds()

    def _note_hidden(self, hidden: Sequence[Hidden]) -> None:
        before = {(each.what, each.detail) for each in self.hidden}
        for each in hidden:
            # The others are on their way.
            if each.kind in ("differs", "unreadable") and (each.what, each.detail) not in before:
                self.log.error("{name}: {what} is not listed: {error}", event="images.hidden",
                               name=self.name, what=each.what, error=each.detail)  # fmt: skip
        self.hidden = hidden

    def _forget(self, builds: Sequence[Build]) -> None:
        ids = {asset.id for build in builds for asset in (*build.files, *build.sums.values())}
        ids.update(each.id for build in builds for each in (build.combined, build.manifest) if each is not None)
        if self.snapshot is not None:
            ids.update(asset.id for asset in self.snapshot.assets())
            self._deltas.sweep(self.snapshot.assets())
        self._ledger.forget_others(ids)
        self._ledger.save()

    def _load(self) -> Snapshot | None:
        try:
            return load_snapshot(self._path)
        except ValueError as error:
            self.log.warn("{path} cannot be read, and is made anew: {error}", event="images.snapshot-lost",
                          path=str(self._path), error=str(error))  # fmt: skip
            return None


def troubles(streams: Iterable[Stream]) -> Any:
    """Say why not all streams are served yet; None when they are."""
    waiting = [stream.name for stream in streams if not stream.looked]
    return f"not looked at yet: {', '.join(waiting)}" if waiting else None
