"""Watches: one object of a change a line, bookmarks in between, and an end in good time."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from webspaced.kube.resources import Resource
from webspaced.testing.kube.faults import Faults
from webspaced.testing.kube.objects import Happening

BOOKMARK_INTERVAL = 60.0
"""Seconds, as of a kube-apiserver."""
LONGEST = 1800.0


def selects(selector: str, document: Mapping[str, Any]) -> bool:
    """Whether a label selector of equalities and names finds an object."""
    labels = document["metadata"].get("labels") or {}
    for term in filter(None, selector.split(",")):
        name, equals, value = term.partition("=")
        if name.startswith("!"):
            if name[1:] in labels:
                return False
        elif name.endswith("!"):
            if labels.get(name[:-1]) == value.removeprefix("="):
                return False
        elif (labels.get(name) != value.removeprefix("=")) if equals else name not in labels:
            return False
    return True


@frozen(kw_only=True)
class Wish:
    """What is watched; ``seconds`` after which the watch ends."""

    resource: Resource
    namespace: str | None
    selector: str = ""
    bookmarks: bool = False
    seconds: float = LONGEST


class Watch:
    """One that is open. ``ended`` is called once."""

    def __init__(
        self, clock: IReactorTime, wish: Wish, faults: Faults, write: Callable[[bytes], None], ended: Callable[[], None]
    ) -> None:
        self._wish = wish
        self._faults = faults
        self._write = write
        self._ended = ended
        self._clock = clock
        self._calls: list[IDelayedCall] = [clock.callLater(wish.seconds, self.end)]

    def begin(self, version: Callable[[], int]) -> None:
        """Send bookmarks from now on, if they are wanted."""
        self._version = version
        if self._wish.bookmarks:
            self._calls.append(self._clock.callLater(BOOKMARK_INTERVAL, self._bookmark))

    def tell(self, happening: Happening) -> None:
        """Tell of a change if it concerns what is watched: what the selector does not find is not there."""
        resource, namespace, _ = happening.key
        if self._faults.stalled or resource != self._wish.resource or self._wish.namespace not in (None, namespace):
            return
        before, after = (self._found(each) for each in (happening.before, happening.after))
        if after is not None:
            self.send("ADDED" if before is None else "MODIFIED", after)
        elif before is not None:
            metadata = {**before["metadata"], "resourceVersion": str(happening.version)}
            self.send("DELETED", {**before, "metadata": metadata})

    def _found(self, document: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        return document if document is not None and selects(self._wish.selector, document) else None

    def send(self, kind: str, document: Mapping[str, Any]) -> None:
        """Write one event."""
        self._write(json.dumps({"type": kind, "object": document}).encode() + b"\n")

    def _bookmark(self) -> None:
        if not self._faults.stalled:
            self.send("BOOKMARK", self._wish.resource.document({"resourceVersion": str(self._version())}))
        self._calls[-1] = self._clock.callLater(BOOKMARK_INTERVAL, self._bookmark)

    def end(self) -> None:
        """End, unless it is stalled: then it stays as it is."""
        if not self._faults.stalled:
            self.forget()
            self._ended()

    def forget(self) -> None:
        """Let nothing happen any more."""
        for call in self._calls:
            if call.active():
                call.cancel()
