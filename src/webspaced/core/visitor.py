"""Who comes to a web port and what for, read from the whole head of the first request (RFC 9110, RFC 9112).

Nothing here changes a byte of what is relayed: it decides whether a sleeping webspace is woken, and how its visitor waits.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import h11
from attrs import frozen

from webspaced.core.opening import HEAD_LIMIT

CHALLENGES: Final = "/.well-known/acme-challenge/"
"""Where ACME servers ask for proofs (RFC 8555 section 8.3)."""
HTTP2: Final = "PRI"
"""The method of HTTP/2's preface (RFC 9113 section 3.4), which is no request."""


@frozen(kw_only=True)
class Request:
    """What the head of a request says; a header that was not sent is empty.

    ``forwarded_for`` has the values of all ``X-Forwarded-For`` headers, in order. ``mode`` is ``Sec-Fetch-Mode``
    (www.w3.org/TR/fetch-metadata), ``id`` is ``X-Request-ID``.
    """

    method: str
    path: str
    host: str = ""
    agent: str = ""
    accept: str = ""
    languages: str = ""
    mode: str = ""
    upgrade: str = ""
    forwarded_for: tuple[str, ...] = ()
    id: str = ""

    @property
    def is_challenge(self) -> bool:
        """Whether somebody's certificate hangs on the answer."""
        return self.path.startswith(CHALLENGES)

    @property
    def is_navigation(self) -> bool:
        """Whether a person waits before a browser for a page: programs, forms and WebSockets need the real answer."""
        if self.method != "GET" or self.upgrade or self.mode not in ("", "navigate"):
            return False
        return any(kind == "text/html" and weight > 0 for kind, weight in weighted(self.accept))

    def is_of(self, agents: Collection[str]) -> bool:
        """Whether its user agent is one of these.

        :param agents: pieces of names, in small letters.
        """
        agent = self.agent.lower()
        return any(each in agent for each in agents)


def read_request(head: bytes) -> Request | None:
    """Give what a whole head says; ``None`` if it is none of HTTP/1, so that its server should judge it."""
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=2 * HEAD_LIMIT)
    try:
        connection.receive_data(head)
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return None
    if not isinstance(event, h11.Request) or event.method == HTTP2.encode():
        return None
    found: dict[bytes, list[str]] = {}
    for name, value in event.headers:
        found.setdefault(name, []).append(value.decode("latin-1"))

    def told(name: bytes) -> str:
        return ", ".join(found.get(name, ()))

    return Request(
        method=event.method.decode(),
        host=told(b"host"),
        path=_path(event.target.decode("latin-1")),
        agent=told(b"user-agent"),
        accept=told(b"accept"),
        languages=told(b"accept-language"),
        mode=told(b"sec-fetch-mode").strip().lower(),
        upgrade=told(b"upgrade"),
        forwarded_for=tuple(found.get(b"x-forwarded-for", ())),
        id=told(b"x-request-id"),
    )


def _path(target: str) -> str:
    """Give a target's path, in whichever form it came (RFC 9112 section 3.2)."""
    path = target.partition("?")[0]
    if not path.startswith("/") and "://" in path:
        path = "/" + path.partition("://")[2].partition("/")[2]
    return path


def weighted(header: str) -> list[tuple[str, float]]:
    """Give what a header such as ``Accept`` prefers, in its order and in small letters, with weights from 0 to 1.

    A weight that is none counts as 0 (RFC 9110 section 12.4.2).
    """
    found = []
    for element in header.split(","):
        name, *parameters = (part.strip().lower() for part in element.split(";"))
        weights = [part.partition("=")[2] for part in parameters if part.partition("=")[0].strip() == "q"]
        if name:
            found.append((name, _weight(weights[0]) if weights else 1.0))
    return found


def _weight(text: str) -> float:
    try:
        weight = float(text)
    except ValueError:
        return 0.0
    return weight if 0 <= weight <= 1 else 0.0
