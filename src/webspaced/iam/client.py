"""One question to iamd: deadline, bounds, and what is an answer at all."""

from __future__ import annotations

import json
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent

from webspaced.core.names import parse_username
from webspaced.core.user import LARGEST_ID, User
from webspaced.errors import DeadlineExceeded, Invalid, Unavailable
from webspaced.lib.deferreds import bounded
from webspaced.lib.measures import Calls, template
from webspaced.lib.sparing import Sparing
from webspaced.lib.webclient import UNREACHABLE, BodyTooLarge, read_body, reason

REQUEST_TIMEOUT = 5.0
"""Seconds; a person waits for it, and IAM is near."""
RETRY_AFTER = 2.0
LARGEST_ANSWER = 64 * 1024
LONGEST_REASON = 200
WORDS = frozenset(("users", "self", "token"))


@frozen
class Answer:
    """What came: any status that iamd does not name for the call is a fault of IAM, or of what stands before it."""

    status: int
    body: bytes


class IamdClient:
    """Asks one iamd. Every failure is an ``Unavailable``, whose reason is in the log."""

    log = Logger()

    def __init__(self, agent: IAgent, clock: IReactorTime, base: str) -> None:
        """Ask at a base URL, such as ``https://iam.example.org/v1``."""
        self._agent = agent
        self._clock = clock
        self._base = base
        self.calls = Calls(clock, "iam")
        # Anybody's token is a question, and IAM may be away for long.
        self._lines = Sparing(clock, self.log, "failures of IAM")

    async def get(self, path: str, token: str) -> Answer:
        """Ask for a path with a token."""
        return await self.calls.measured(f"GET {template(path, WORDS)}", self._get(path, token))

    async def _get(self, path: str, token: str) -> Answer:
        try:
            return await bounded(self._clock, REQUEST_TIMEOUT, self._exchange(path, token), f"IAM's answer to {path}")
        except UNREACHABLE as error:
            if self._lines.may(""):
                self.log.warn(
                    "IAM cannot be reached for {path}: {error}", event="iam.unreachable", path=path, error=reason(error)
                )
            message = "IAM cannot be reached"
            raise Unavailable(message, RETRY_AFTER) from error
        except DeadlineExceeded as error:
            if self._lines.may(""):
                self.log.warn("{error}", event="iam.late", error=str(error))
            message = "IAM does not answer"
            raise Unavailable(message, RETRY_AFTER) from error

    async def _exchange(self, path: str, token: str) -> Answer:
        # The bare agent: no redirect is followed, so that nobody else sees the token, and no cookie is kept, so that one
        # caller's never goes along with another's token. treq does both.
        headers = Headers({"Authorization": [f"Bearer {token}"], "Accept": ["application/json"]})
        response = await self._agent.request(b"GET", f"{self._base}{path}".encode(), headers)
        try:
            body = await read_body(response, LARGEST_ANSWER)
        except BodyTooLarge as error:
            raise self.nonsense(path, str(error)) from error
        return Answer(response.code, body)

    def nonsense(self, path: str, what: str) -> Unavailable:
        """Give the error for an answer that iamd does not give, and log it."""
        if self._lines.may(""):
            self.log.warn("IAM answered {path} with {what}: is iam.url right?", event="iam.nonsense", path=path, what=what)
        return Unavailable("IAM does not answer as it should", RETRY_AFTER)

    def read_user(self, path: str, answer: Answer) -> User:
        """Give the user of a 200; ``Unavailable`` if there is none in it."""
        if answer.status != 200:  # noqa: PLR2004
            raise self.nonsense(path, f"status {answer.status}")
        try:
            return _user(json.loads(answer.body))
        except (ValueError, RecursionError, Invalid) as error:
            what = str(error) if isinstance(error, Invalid) else "something that is not JSON"
            raise self.nonsense(path, what) from error


def refusal_reason(body: bytes, token: str) -> str | None:
    """Give what a problem document of IAM's says, as ``token is expired by 5m``; never what holds the token."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    said = document.get("message") if isinstance(document, dict) else None
    if not isinstance(said, str) or token in said or len(said) > LONGEST_REASON or not said.isprintable():
        return None
    return said or None


def _user(document: Any) -> User:
    known = document if isinstance(document, dict) else {}
    uid, username, ssh_key = known.get("id"), known.get("username"), known.get("ssh_key")
    if type(uid) is not int or uid < 0 or not isinstance(username, str) or not isinstance(ssh_key, str | None):
        message = "something that is no user"
        raise Invalid(message)
    if uid > LARGEST_ID:
        message = f"a user whose id is larger than {LARGEST_ID}"
        raise Invalid(message)
    admin = known.get("is_admin") is True
    return User(id=uid, username=parse_username(username), is_admin=admin, ssh_key=ssh_key or None)
