"""Lifecycle and operation events, and who hears them."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from attrs import define

from webspaced.testing.lxd.flavour import Flavour
from webspaced.testing.lxd.operations import Operation

REMEMBERED = 10_000
"""How many events a simulator that runs for long remembers."""
REQUESTOR = {"username": "root", "protocol": "unix", "address": "@"}
TYPES = ("logging", "lifecycle", "operation", "ovn", "network-acl")
# On LXD 5.0 only what changes the run state tells who asked for it.
_LXD_TELLS_WHO = frozenset({
    "instance-started", "instance-stopped", "instance-shutdown", "instance-restarted", "instance-paused",
    "instance-resumed", "instance-log-retrieved", "instance-log-deleted", "project-created", "project-deleted",
})  # fmt: skip


@define(eq=False)
class Subscriber:
    """Who hears: ``project`` is ``None`` for all."""

    types: frozenset[str]
    project: str | None
    hear: Callable[[str], None]


class Events:
    """Tells subscribers. ``lost`` events are still to be swallowed (an injected fault); ``sent`` are all that were sent."""

    def __init__(self, flavour: Flavour, now: Callable[[], str]) -> None:
        self.subscribers: list[Subscriber] = []
        self.lose = 0
        self.sent: deque[dict[str, Any]] = deque(maxlen=REMEMBERED)
        """The metadata of the last lifecycle events, for tests."""
        self._flavour = flavour
        self._now = now

    def lifecycle(
        self,
        action: str,
        source: str,
        project: str,
        *,
        name: str = "",
        asked: bool = True,
        context: Mapping[str, Any] | None = None,
        location: str = "none",
    ) -> None:
        """Tell that something happened; ``asked`` whether by the API."""
        metadata: dict[str, Any] = {"action": action, "source": source if project == "default" else _in(source, project)}
        if context:
            metadata["context"] = {"location": location, **context} if self._with_location(action) else dict(context)
        if asked and (self._flavour.full_events or action in _LXD_TELLS_WHO):
            metadata["requestor"] = REQUESTOR
        if self._flavour.full_events and name:
            metadata |= {"name": name, "project": project}
        self.sent.append(metadata)
        if self.lose:
            self.lose -= 1
            return
        self._send("lifecycle", project, metadata, location)

    def _with_location(self, action: str) -> bool:
        return self._flavour.full_events and action == "instance-created"

    def operation(self, operation: Operation) -> None:
        """Tell that an operation began or changed."""
        self._send("operation", operation.project, operation.document, operation.location)

    def _send(self, kind: str, project: str, metadata: Any, location: str) -> None:
        hearers = [each for each in self.subscribers if kind in each.types and each.project in (None, project)]
        if not hearers:
            return
        document = {
            "type": kind,
            "timestamp": self._now(),
            "metadata": metadata() if callable(metadata) else metadata,
            "location": location,
            "project": project,
        }
        text = json.dumps(document, separators=(",", ":"))
        for each in hearers:
            each.hear(text)

    def unknown(self, types: Iterable[str]) -> str | None:
        """Give the first event type that there is not."""
        return next((each for each in types if each not in TYPES), None)


def _in(source: str, project: str) -> str:
    return source if source.startswith("/1.0/projects/") else f"{source}?project={project}"
