"""Rights that last: what stays open is looked at again and again, since a token or an admin's right ends without a request.

Every :data:`INTERVAL` seconds IAM is asked whether the token that something was opened with is still valid, and still its
member's or an admin's. Only a refusal ends it: an IAM that is away, or says nonsense, takes nothing from anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

from attrs import frozen
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from webspaced.core.user import Caller, User
from webspaced.errors import Forbidden, NotFound, Unauthenticated, WebspacedError
from webspaced.interfaces import IIdentity

INTERVAL = 10.0
"""Seconds after which one that ended is closed at the latest, if IAM answers: what it said before does not count."""

Ended: TypeAlias = Callable[[], Coroutine[Any, Any, str | None]]
"""Asks why a right ended; ``None`` while it has not, as far as anybody can tell."""


@frozen(kw_only=True)
class Grant:
    """Whose webspace was opened, and by whom."""

    subject: User
    caller: Caller


async def ended(identity: IIdentity, grant: Grant) -> str | None:
    """Give the reason if IAM says that a grant is none any more."""
    try:
        now = (await identity.authenticate(grant.caller.token, anew=True)).user
    except (Unauthenticated, Forbidden, NotFound) as error:
        return str(error)
    except WebspacedError:
        return None
    if now.id != grant.caller.user.id or not (now.is_admin or now.id == grant.subject.id):
        return "another user's webspace"
    return None


class Watch:
    """Asks every so often until it is stopped, or the right has ended: then ``tell`` hears why, once."""

    log = Logger()

    def __init__(self, clock: IReactorTime, ask: Ended, tell: Callable[[str], None]) -> None:
        self._clock = clock
        self._ask = ask
        self._tell = tell
        self._asking: Deferred[None] | None = None
        self._next: IDelayedCall | None = clock.callLater(INTERVAL, self._look)

    def stop(self) -> None:
        """Ask no more."""
        call, self._next = self._next, None
        if call is not None and call.active():
            call.cancel()
        asking, self._asking = self._asking, None
        if asking is not None:
            asking.cancel()

    def _look(self) -> None:
        asking = self._asking = Deferred.fromCoroutine(self._answered())
        asking.addErrback(self._failed)

    async def _answered(self) -> None:
        reason = await self._ask()
        self._asking = None
        if reason is None:
            self._again()
        else:
            self._next = None
            self._tell(reason)

    def _again(self) -> None:
        self._next = self._clock.callLater(INTERVAL, self._look)

    def _failed(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.log.failure("a right could not be looked at", failure, event="http.rights-broke")
            self._asking = None
            self._again()
