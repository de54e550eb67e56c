"""Waiting before a browser: who waits for long gets a page that asks again, and the boot keeps its place meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.core.desired import Wish
from webspaced.core.visitor import Request
from webspaced.core.waiting import Refusal, Waiting
from webspaced.core.webspace import Webspace
from webspaced.errors import BootFailed, Momentary, Temporary, WebspacedError
from webspaced.forward.means import Destination
from webspaced.forward.pages import Pages, Reader
from webspaced.forward.reception import AgentIgnored
from webspaced.forward.refusal import reason_for_all, retry_after
from webspaced.interfaces import IBootGate, IWakeLook

KEPT = 60.0
"""Seconds for which a boot goes on after the last page: one that is open asks again every few seconds, and one that is
closed never."""
SOON = 5
"""Seconds before a page of somebody for whom there is no place asks again, at least."""


@define
class _Kept:
    """A boot that goes on while nobody holds a connection for it. ``since``: seconds of the clock."""

    since: float
    end: IDelayedCall
    ready: Deferred[Any] | None = None


@frozen(kw_only=True)
class Manner:
    """How visitors wait: the operator's word, and the seconds after which a page is shown."""

    waiting: Waiting
    page_after: float


@define
class WaitingRoom:
    """Gives pages to those before browsers whose webspace or operator wants that."""

    log = Logger()
    _clock: IReactorTime
    _gate: IBootGate
    _look: IWakeLook
    _webspace: Callable[[int], Webspace | None]
    """Gives what is known of a webspace."""
    pages: Pages
    manner: Manner
    _kept: dict[Destination, _Kept] = field(factory=dict, init=False)

    def takes(self, uid: int, request: Request | None) -> bool:
        """Whether a visitor gets pages."""
        if request is None or not request.is_navigation:
            return False
        webspace = self._webspace(uid)
        own = Waiting.DEFAULT if webspace is None else webspace.config.waiting
        return (self.manner.waiting if own is Waiting.DEFAULT else own) is Waiting.PAGE

    def page(self, destination: Destination, request: Request, since: float) -> bytes:
        """Give the page of who waits, and go on waiting instead.

        :param since: when the visitor began to wait, in seconds of the clock.
        """
        began = self._keep(destination, since)
        return self.pages.waiting(_reader(request), self._look.phase(destination.uid), self._clock.seconds() - began)

    def refusal(self, uid: int, request: Request, error: Exception) -> bytes | None:
        """Give the page of who is refused; ``None`` for those who only need the status."""
        if isinstance(error, AgentIgnored):
            return None
        refusal, reason = self._why(uid, error)
        after = max(SOON, retry_after(error)) if refusal is Refusal.BUSY else retry_after(error)
        return self.pages.refused(_reader(request), refusal, reason, after)

    def close(self) -> None:
        """Wait for nothing any more."""
        for destination in list(self._kept):
            self._give_up(destination)

    def _why(self, uid: int, error: Exception) -> tuple[Refusal, str]:
        webspace = self._webspace(uid)
        wish = Wish.AUTO if webspace is None else webspace.desired.wish
        if webspace is not None and wish is Wish.SUSPENDED:
            return Refusal.SUSPENDED, webspace.desired.public
        if wish is Wish.STOPPED:
            return Refusal.STOPPED, ""
        if isinstance(error, Momentary):
            return Refusal.BUSY, ""
        later = isinstance(error, Temporary) or not isinstance(error, BootFailed)
        return Refusal.LATER if later else Refusal.FAILED, reason_for_all(error)

    def _keep(self, destination: Destination, since: float) -> float:
        """Go on with a boot for those who have a page; gives since when it has been waited for."""
        kept = self._kept.get(destination)
        if kept is not None:
            kept.end.reset(KEPT)
            return kept.since
        kept = self._kept[destination] = _Kept(since, self._clock.callLater(KEPT, self._give_up, destination))
        kept.ready = self._gate.ready(destination.uid, destination.port, destination.asks)
        kept.ready.addBoth(self._over, destination)
        return since

    def _over(self, result: object, destination: Destination) -> None:
        self._forget(destination)
        # Whoever asks again is told by the gate itself.
        if isinstance(result, Failure) and not result.check(WebspacedError, CancelledError):
            self.log.failure("waking webspace {webspace} failed", result, event="visit.wake-broke", webspace=destination.uid)

    def _give_up(self, destination: Destination) -> None:
        kept = self._forget(destination)
        if kept is not None and kept.ready is not None:
            kept.ready.cancel()

    def _forget(self, destination: Destination) -> _Kept | None:
        kept = self._kept.pop(destination, None)
        if kept is not None and kept.end.active():
            kept.end.cancel()
        return kept


def _reader(request: Request) -> Reader:
    return Reader(languages=request.languages, host=request.host.partition(":")[0])
