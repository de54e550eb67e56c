"""Members who are gone: since when IAM has not known them, whether that is too long, and who hears of it then.

The time stands in LXD beside the document, so a restart does not begin it anew. That IAM is away sets it for nobody, and
ends nothing: nobody has departed before IAM said so once more when the grace was over, and before a webspace is stopped for
it, IAM is asked again.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from webspaced.errors import NotFound, WebspacedError
from webspaced.interfaces import IIdentity
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.registry import Registry

LONGEST_NAP = 3600.0
"""Seconds between looks at the clock: the time of day may be set meanwhile."""


class Departures:
    """Whose members are gone for good, as far as anybody can tell."""

    def __init__(
        self,
        clock: IReactorTime,
        registry: Registry,
        identity: IIdentity,
        grace: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        """:param grace: seconds for which one is still served whom IAM does not know; 0: for ever.

        :param now: gives seconds since the epoch.
        """
        self._clock = clock
        self._registry = registry
        self._identity = identity
        self._grace = grace
        self._now = now
        self._missed: dict[int, float] = {}
        """Whom IAM did not know after the grace, by webspace, with the time since when it had not known them then."""
        self._naps: dict[int, IDelayedCall] = {}
        self._listeners: list[Callable[[int], None]] = []
        registry.subscribe(self._seen)

    def change_grace(self, seconds: float) -> None:
        """Serve for so long whom IAM does not know; 0: for ever. Who departs by that is told of now."""
        if seconds == self._grace:
            return
        self._grace = seconds
        for observed in self._registry:
            if observed.unknown_since is not None:
                self._look(observed.uid)

    def subscribe(self, listener: Callable[[int], None]) -> None:
        """Call ``listener(uid)`` when a webspace's grace is over, and when its member has departed. It must not raise."""
        self._listeners.append(listener)

    def has_departed(self, observed: Observed) -> bool:
        """Whether a webspace's member has been unknown for too long, and still was after that."""
        return self._is_over(observed) and self._missed.get(observed.uid) == observed.unknown_since

    def missing(self, observed: Observed) -> None:
        """Hear that IAM says now that it does not know a webspace's member."""
        if observed.unknown_since is not None and self._is_over(observed) and not self.has_departed(observed):
            self._missed[observed.uid] = observed.unknown_since
            self._tell(observed.uid)

    def _is_over(self, observed: Observed) -> bool:
        since = observed.unknown_since
        return since is not None and self._grace > 0 and self._now() - since > self._grace

    async def is_confirmed(self, observed: Observed) -> bool:
        """Whether that is so, and IAM says now that it knows nobody by the id; one that is away says nothing."""
        if not self.has_departed(observed):
            return False
        try:
            await self._identity.by_id(observed.uid)
        except NotFound:
            return True
        except WebspacedError:
            return False
        return False

    def _seen(self, uid: int) -> None:
        observed = self._registry.get(uid)
        if observed is None or observed.unknown_since is None:
            self._missed.pop(uid, None)
        nap = self._naps.pop(uid, None)
        if nap is not None and nap.active():
            nap.cancel()
        waits = observed is not None and not self._is_over(observed)
        if waits and observed is not None and observed.unknown_since is not None and self._grace > 0:
            rest = max(0.0, observed.unknown_since + self._grace - self._now())
            # A moment later, as the grace must be over and not just at its end.
            self._naps[uid] = self._clock.callLater(min(rest, LONGEST_NAP) + 0.001, self._look, uid)

    def _look(self, uid: int) -> None:
        observed = self._registry.get(uid)
        if observed is None or not self._is_over(observed):
            self._seen(uid)
            return
        self._naps.pop(uid, None)
        self._tell(uid)

    def _tell(self, uid: int) -> None:
        for listener in self._listeners:
            listener(uid)
