"""What is done again and again while webspaced leads: full passes, looks at what nobody tells of, and bounds on visitors."""

from __future__ import annotations

from functools import partial
from typing import Any

from webspaced.assembly.election import Election
from webspaced.assembly.publishing import traefik_looks
from webspaced.forward.front import Front
from webspaced.forward.listeners import looks
from webspaced.iam.static import UsersFile
from webspaced.interfaces import IIdentity
from webspaced.lib.periodic import Periodic
from webspaced.parts.knowledge import Knowledge, Served
from webspaced.reconcile.reconciler import Reconciler
from webspaced.reload.live import Live
from webspaced.webspaces.certificates import LOOK as LOOK_AT_CERTIFICATES
from webspaced.webspaces.registry import AWAY_PAUSE

REMARK = 60.0
"""Seconds between looks whether others are still led here."""
LOOK_FOR_MEMBERS = 5.0
"""Seconds between looks whether the users file has changed."""
RETRY_UNBOUND = 5.0
"""Seconds between tries to bind a forward whose port somebody else has."""


def periodic_work(
    reactor: Any, live: Live, identity: IIdentity, known: Knowledge, reconciler: Reconciler, served: Served,
    election: Election, front: Front | None,
) -> tuple[Periodic, ...]:  # fmt: skip
    """Give it all, not started yet."""

    def look_for_members(file: UsersFile) -> None:
        if not reconciler.refreshing and file.has_changed():
            reconciler.refresh_members()

    settings = live.settings
    files = [identity] if isinstance(identity, UsersFile) else []

    def every() -> float:
        return live.settings.webspaces.resync_interval

    def wait() -> float:
        return live.settings.webspaces.max_wait

    def idle() -> float:
        return live.settings.webspaces.relay_idle_timeout

    return (
        *(Periodic(reactor, LOOK_FOR_MEMBERS, "the users file", partial(look_for_members, each)) for each in files),
        Periodic(reactor, every, "the full pass", reconciler.periodic_pass),
        Periodic(reactor, every, "the look at addresses", reconciler.look_at_addresses),
        Periodic(reactor, every, "the look at what is published", served.publisher.check),
        *traefik_looks(reactor, settings, served.watch),
        Periodic(reactor, LOOK_AT_CERTIFICATES, "the look at certificates", known.certificates.look),
        Periodic(reactor, REMARK, "the mark of the leader", election.remark),
        Periodic(reactor, RETRY_UNBOUND, "binding ports", reconciler.retry_unbound),
        Periodic(reactor, AWAY_PAUSE, "the search for absent cluster members", reconciler.return_of_members),
        *(front.looks() if front is not None else ()),
        *looks(reactor, served.listeners, wait, idle),
    )
