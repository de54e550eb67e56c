"""A mirror of the labelled objects of one kind: list, then watch from there, and again when that breaks.

As client-go's informers do it (https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from webspaced.kube.answers import Expired
from webspaced.kube.client import Event, KubeClient, Listing
from webspaced.kube.resources import Document, Resource, name_of, version_of
from webspaced.lib.backoff import pauses
from webspaced.lib.deferreds import sleep

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
SHORTEST_WATCH = 1.0
"""Seconds. Who ends watches sooner than that is asked less and less often, too."""


def slim(document: Document) -> Document:
    """Give an object without ``managedFields``, which are most of its size and nothing that anybody here reads."""
    metadata = {name: value for name, value in document["metadata"].items() if name != "managedFields"}
    return {**document, "metadata": metadata}


class Informer:
    """Keeps ``objects``, by name, as they are in the cluster, and tells names of those that changed.

    An object is only ever replaced by a newer one, so that what :meth:`wrote` was told is not undone by old news.
    """

    log = Logger()

    def __init__(
        self,
        client: KubeClient,
        clock: IReactorTime,
        resource: Resource,
        namespace: str,
        selector: str,
        changed: Callable[[Resource, str, Document], None],
    ) -> None:
        """:param changed: hears kind, name and the object as it was or is; it must not raise."""
        self.resource = resource
        self._client = client
        self._clock = clock
        self._namespace = namespace
        self._selector = selector
        self._changed = changed
        self._objects: dict[str, Document] = {}
        # What we deleted, with the last version known of it: news of before it are none.
        self._gone: dict[str, int] = {}
        self._version = "0"
        self._watching: Deferred[None] | None = None

    @property
    def objects(self) -> Mapping[str, Document]:
        """Give what is known to be there."""
        return self._objects

    async def begin(self) -> None:
        """List, and keep watching from then on. Errors are the client's, and then nothing is watched."""
        await self.refresh()
        if self._watching is None:
            self._watching = Deferred.fromCoroutine(self._keep_watching())
            self._watching.addErrback(lambda failure: failure.trap(CancelledError))

    async def refresh(self) -> None:
        """List again, watching or not: nobody's stream is trusted for ever."""
        self._take(await self._client.list_all(self.resource, self._namespace, self._selector))

    def stop(self) -> None:
        """Watch no more."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()

    def wrote(self, document: Document) -> None:
        """Say what a write of ours made of an object: it need not be waited for."""
        if self._is_news(name_of(document), version_of(document)):
            self._objects[name_of(document)] = slim(document)

    def removed(self, name: str) -> None:
        """Say that an object is not there any more: we deleted it, or did not find it."""
        known = self._objects.pop(name, None)
        if known is not None:
            self._gone[name] = version_of(known)

    async def _keep_watching(self) -> None:
        waits = pauses(FIRST_PAUSE, LONGEST_PAUSE)
        stale = False
        while True:
            began = self._clock.seconds()
            try:
                if stale:
                    await self.refresh()
                    stale = False
                await self._watch()
            except CancelledError:
                raise
            except Expired:
                self.log.info(
                    "the watch of {resource} was behind: listing again", event="kube.watch-behind", resource=self.resource
                )
                stale = True
            except Exception as error:  # noqa: BLE001  (whatever it is, the next try may work)
                self.log.warn(
                    "the watch of {resource} ended: {error}",
                    event="kube.watch-ended",
                    resource=self.resource,
                    error=str(error),
                )
                # Who was away may have forgotten, or be another one restored from a copy.
                stale = True
            if not stale and self._clock.seconds() - began >= SHORTEST_WATCH:
                waits = pauses(FIRST_PAUSE, LONGEST_PAUSE)
            else:
                await sleep(self._clock, next(waits))

    async def _watch(self) -> None:
        await self._client.watch(self.resource, self._namespace, self._version, self._happened, self._selector)

    def _happened(self, event: Event) -> None:
        self._version = event.version
        if event.kind == "BOOKMARK":
            return
        name = name_of(event.document)
        if event.kind == "DELETED":
            self._gone.pop(name, None)
        if not self._is_news(name, version_of(event.document)):
            return
        if event.kind == "DELETED":
            self._objects.pop(name, None)
        else:
            self._objects[name] = slim(event.document)
        self._changed(self.resource, name, event.document)

    def _is_news(self, name: str, version: int) -> bool:
        known = self._objects.get(name)
        return version > (self._gone.get(name, 0) if known is None else version_of(known))

    def _take(self, listing: Listing) -> None:
        """Make the mirror what was listed, but for what is newer in it."""
        version = int(listing.version)
        if rewound := version < int(self._version):
            # Restored from a copy: numbers of before and after do not compare.
            self.log.warn(
                "the cluster's {resource} are older than they were", event="kube.list-older", resource=self.resource
            )
            self._gone.clear()
        listed = {name_of(each): each for each in listing.items}
        lost = {
            name: known
            for name, known in self._objects.items()
            if name not in listed and (rewound or version_of(known) <= version)
        }
        news = {name: slim(each) for name, each in listed.items() if rewound or self._is_news(name, version_of(each))}
        self._objects = {name: each for name, each in self._objects.items() if name not in lost} | news
        self._version = listing.version
        for name, document in {**lost, **news}.items():
            self._changed(self.resource, name, document)
