"""The events of what all services beside the daemon stand on (:mod:`webspaced.base`)."""

from __future__ import annotations

from collections.abc import Mapping

from webspaced.vocabulary.event import Event, info

GROUPS: Mapping[str, tuple[Event, ...]] = {
    "Services beside the daemon": (
        info("service.listening", "A listener of the service is bound.", "what", "host", "port"),
    ),
}
