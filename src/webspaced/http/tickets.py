"""Tickets for WebSockets of browsers, which cannot send a token along: short-lived, used once, and for one thing only.

A browser offers a ticket among its subprotocols (RFC 6455, section 1.9): a page can send no other header of its choice, and
a query would be logged.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IRequest

from webspaced.core.user import Caller, User
from webspaced.errors import Invalid, Unauthenticated
from webspaced.http.bodies import text_member
from webspaced.http.problems import TooManyRequests

LIFETIME = 30
"""Seconds (design decision 11)."""
MOST = 10_000
MOST_PER_USER = 64
PATHS = ("exec", "console")
SUBPROTOCOL = "webspaced"
"""What the server selects when a ticket came: a browser that offered anything wants an answer."""
PREFIX = f"{SUBPROTOCOL}.ticket."


@frozen(kw_only=True)
class _Ticket:
    caller: Caller
    """With the token: it is asked for again when the ticket is used, which is worth no more than that."""
    subject: User
    path: str
    origin: str | None
    since: float
    until: float


class Tickets:
    """The tickets that were given and not used yet, by their hashes. A restart forgets them."""

    def __init__(self, clock: IReactorTime, most: int = MOST, most_per_user: int = MOST_PER_USER) -> None:
        self._clock = clock
        self._most = most
        self._most_per_user = most_per_user
        # In the order in which they end.
        self._kept: dict[bytes, _Ticket] = {}
        self._of: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._kept)

    def issue(self, caller: Caller, subject: User, path: str, origin: str | None) -> str:
        """Give a ticket with which the caller may open the path of the subject's webspace from this origin.

        :raises TooManyRequests: the caller, or everybody together, has as many as can be kept.
        """
        self._drop_old()
        if len(self._kept) >= self._most or self._of[caller.user.id] >= self._most_per_user:
            message = "too many tickets are waiting to be used"
            raise TooManyRequests(message, retry_after=LIFETIME)
        ticket = secrets.token_urlsafe(32)
        now = self._clock.seconds()
        self._kept[_hash(ticket)] = _Ticket(
            caller=caller, subject=subject, path=path, origin=origin, since=now, until=now + LIFETIME
        )
        self._of[caller.user.id] += 1
        return ticket

    def redeem(self, ticket: str, who: str, path: str, origin: str | None) -> tuple[Caller, User]:
        """Use a ticket up, and give its caller as of then, and the subject; ``who`` is the user as requests name them.

        :raises Unauthenticated: it is none, or was for something else, which uses it up all the same.
        """
        self._drop_old()
        found = self._kept.pop(_hash(ticket), None)
        if found is None:
            message = "the ticket is not valid: it was used already, or is too old"
            raise Unauthenticated(message)
        self._forget(found)
        if (found.path, found.origin) != (path, origin) or not _names(who, found):
            message = "the ticket is for something else"
            raise Unauthenticated(message)
        return found.caller, found.subject

    def _drop_old(self) -> None:
        now = self._clock.seconds()
        while self._kept:
            key, first = next(iter(self._kept.items()))
            # Set back, a clock must not prolong anything.
            if first.since <= now < first.until:
                return
            del self._kept[key]
            self._forget(first)

    def _forget(self, ticket: _Ticket) -> None:
        uid = ticket.caller.user.id
        self._of[uid] -= 1
        if not self._of[uid]:
            del self._of[uid]


def _hash(ticket: str) -> bytes:
    # Neither a look at the memory nor the time of a look-up tells a ticket.
    return hashlib.sha256(ticket.encode()).digest()


def _names(who: str, ticket: _Ticket) -> bool:
    if who == "self":
        return ticket.caller.user.id == ticket.subject.id
    if who == f"id:{ticket.subject.id}":
        return ticket.caller.user.is_admin
    return who.lower() == ticket.subject.username


def ticket_path(body: dict[str, Any]) -> str:
    """Give the path that a request for a ticket names."""
    path = text_member(body, "path")
    if path not in PATHS:
        message = f"path must be one of {', '.join(PATHS)}"
        raise Invalid(message)
    return path


def offered(request: IRequest) -> list[str]:
    """Give the values of the request's Sec-WebSocket-Protocol headers."""
    values = request.requestHeaders.getRawHeaders(b"sec-websocket-protocol") or []
    return [value.decode("ascii", "replace") for value in values]


def ticket_among(values: list[str]) -> str | None:
    """Give the ticket among the values of Sec-WebSocket-Protocol headers, if there is one."""
    names = [name.strip() for name in ",".join(values).split(",")]
    return next((name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)), None)


def offers_ours(values: list[str]) -> bool:
    """Whether a client wants :data:`SUBPROTOCOL` to be selected."""
    return SUBPROTOCOL in [name.strip() for name in ",".join(values).split(",")]
