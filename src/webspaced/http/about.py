"""What is known of a request beside what it asks for: its id, who sent it, and since when."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field
from zope.interface import Interface, implementer

from webspaced.core.client_address import IPAddress
from webspaced.core.request_id import is_request_id
from webspaced.core.user import User

LONGEST_SHOWN = 200


class IAbout(Interface):
    """The key under which a request has its :class:`About`."""


@implementer(IAbout)
@define(kw_only=True, eq=False)
class About:
    """``user`` is the caller's name once that is known, ``uid`` their id; ``began`` seconds of the clock; ``size`` bytes of
    its headers and body.
    """

    id: str
    address: IPAddress | None
    began: float
    size: int = 0
    user: str = "-"
    uid: int | None = None
    is_admin: bool = False
    subject: User | None = None
    """Whose webspace it is about."""
    body: Mapping[str, Any] = field(factory=dict)
    """What was read of it; there may be secrets in it."""
    problem: str = ""
    """What the client is told of an error."""
    _over: bool = field(default=False, init=False)
    _release: Callable[[], None] | None = field(default=None, init=False)

    def counts(self, release: Callable[[], None]) -> None:
        """Note that the request counts as under way until ``release`` is called, at its end."""
        if self._over:
            # Its client went away while it was found out whose it is.
            release()
        else:
            self._release = release

    def end(self) -> None:
        """Let it count no more; may be said again."""
        self._over = True
        release, self._release = self._release, None
        if release is not None:
            release()


def about_of(request: Any) -> About | None:
    """Give what is known of a request, if somebody has found it out."""
    find = getattr(request, "getComponent", None)
    found = None if find is None else find(IAbout)
    return found if isinstance(found, About) else None


def request_id(given: str | None) -> str:
    """Give the client's id of its request if it is well formed, or a new one."""
    return given if given is not None and is_request_id(given) else secrets.token_hex(8)


def header(request: Any, name: bytes) -> str | None:
    """Give a header as text; whatever is no ASCII in it was never meant for us."""
    value = request.getHeader(name)
    return None if value is None else value.decode("ascii", "replace")


def shown(raw: bytes) -> str:
    """Give a part of a request as it may stand in a log line: no control characters, and not endless."""
    text = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in raw.decode("ascii", "backslashreplace"))
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
