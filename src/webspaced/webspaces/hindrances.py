"""What LXD would refuse, found out before anything is done to a webspace: its visitors shall not pay for an answer."""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from webspaced.core.protection import forbids_deletion, forbids_start
from webspaced.errors import Conflict, Forbidden
from webspaced.interfaces import IInstances
from webspaced.lib.deferreds import sleep
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.patience import STOP_WINDOW

PAUSE = 0.2
"""Seconds between looks whether LXD is done."""


class Hindrances:
    """Each check raises ``Forbidden`` for what the operator forbids, ``Conflict`` for what goes on; both say what it is."""

    def __init__(self, clock: IReactorTime, instances: IInstances) -> None:
        self._clock = clock
        self._instances = instances

    async def check_idle(self, observed: Observed, *, sessions: bool = False) -> None:
        """``Conflict`` while another operation goes on, such as a backup or a migration. What is short is awaited.

        :param sessions: also while somebody else has a shell or the console open by LXD's own tools: what is typed there
            cannot be seen.
        """
        until = self._clock.seconds() + STOP_WINDOW
        while doing := await self._instances.others_work(observed.name, sessions=sessions):
            if self._clock.seconds() >= until:
                message = f"LXD is at work on the webspace: {doing}"
                raise Conflict(message)
            await sleep(self._clock, PAUSE)

    def check_deletable(self, observed: Observed) -> None:
        """``Forbidden`` where LXD would not delete it."""
        _check(forbids_deletion(observed.instance.protected))

    def check_startable(self, observed: Observed) -> None:
        """``Forbidden`` where LXD would not start it."""
        _check(forbids_start(observed.instance.protected, observed.instance.config))


def _check(reason: str) -> None:
    if reason:
        raise Forbidden(reason)
