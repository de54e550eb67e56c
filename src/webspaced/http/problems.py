"""Errors as answers: one total table from error types to statuses, and problem documents (RFC 9457).

``message`` is what existing clients show; the RFC's own members stand beside it.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from attrs import frozen
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import RESPONSES
from twisted.web.iweb import IRequest
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from webspaced import errors
from webspaced.http.about import about_of, header, shown

CONTENT_TYPE = "application/problem+json"
LONGEST_REFUSAL, LONGEST_FAILURE = 300, 2000
"""Characters: an error repeats little of what was sent; what LXD says of a failure may take some lines."""
HIDDEN_FROM_FORMER = frozenset({502, 503, 504})
"""Statuses that the former daemon did not have; it said 500."""
_FORMER_CLIENT = re.compile(r"OpenAPI-Generator/\S+/go\b", re.ASCII)
BUG = "webspaced made a mistake; the operator finds it in the log"
log = Logger()


class BodyTooLarge(errors.Invalid):
    """The request's body is larger than any that makes sense here."""


class TooManyRequests(errors.Temporary):
    """The client, or the member, asks more than the operator allows."""


# Narrow before broad: the first that fits counts.
STATUSES: tuple[tuple[type[Exception], int], ...] = (
    (BodyTooLarge, 413),
    (errors.Invalid, 400),
    (errors.Unauthenticated, 401),
    (errors.Forbidden, 403),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (TooManyRequests, 429),
    (errors.Temporary, 503),
    (errors.BootFailed, 502),
    (errors.SetUpFailed, 502),
    (errors.DeadlineExceeded, 504),
    (errors.OutputTooLarge, 502),
    (errors.RemoteError, 502),
)


def whole(request: IRequest, status: int, kind: bytes, body: bytes) -> bytes:
    """Set what goes before a body that is known whole, and give it."""
    request.setResponseCode(status)
    request.setHeader(b"content-type", kind)
    request.setHeader(b"content-length", b"%d" % len(body))
    return body


@frozen(kw_only=True)
class Problem:
    """An error as it is answered."""

    status: int
    message: str
    headers: tuple[tuple[str, str], ...] = ()

    def document(self) -> dict[str, Any]:
        """Give the problem document."""
        title = RESPONSES.get(self.status, b"Error").decode()
        return {"message": self.message, "title": title, "status": self.status, "detail": self.message}

    def write(self, request: IRequest) -> bytes:
        """Set status and headers, and give the body."""
        for name, value in self.headers:
            request.setHeader(name.encode(), value.encode())
        about = about_of(request)
        status = 500 if self.status in HIDDEN_FROM_FORMER and is_former_client(request) else self.status
        if about is not None:
            about.problem = self.message
        document = {**self.document(), **({} if about is None else {"requestId": about.id})}
        return whole(request, status, CONTENT_TYPE.encode(), json.dumps(document).encode())


def is_former_client(request: IRequest) -> bool:
    """Whether a client is one of the former daemon's time, generated for Go: of some errors it shows no text at all."""
    agent = header(request, b"user-agent")
    return agent is not None and _FORMER_CLIENT.match(agent) is not None


def problem_of(error: BaseException | None) -> Problem:
    """Give the answer to any error whatever. What is not ours is a bug, and answered with a constant text."""
    if isinstance(error, HTTPException):
        return _routing_problem(error)
    for kind, status in STATUSES:
        if isinstance(error, kind):
            detail = error.detail if isinstance(error, errors.BootFailed) else ""
            message = f"{error}: {detail}" if detail else str(error)
            return Problem(status=status, message=_brief(message, status), headers=_headers(status, error))
    return Problem(status=500, message=BUG)


def _brief(message: str, status: int) -> str:
    longest = LONGEST_REFUSAL if status < 500 else LONGEST_FAILURE  # noqa: PLR2004
    return message if len(message) <= longest else f"{message[:longest]}…"


def _headers(status: int, error: BaseException | None) -> tuple[tuple[str, str], ...]:
    if isinstance(error, errors.Temporary):
        return (("Retry-After", str(max(1, math.ceil(error.retry_after)))),)
    return (("WWW-Authenticate", "Bearer"),) if status == 401 else ()  # noqa: PLR2004


def _routing_problem(error: HTTPException) -> Problem:
    status = error.code or 500
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        return Problem(status=405, message=f"this path takes {allowed}", headers=(("Allow", allowed),))
    message = "there is nothing at this path" if status == 404 else str(error.name)  # noqa: PLR2004
    return Problem(status=status, message=message)


def answer(request: IRequest, failure: Failure) -> bytes:
    """Answer a failed request, and log it if it is our bug. That a path does not take OPTIONS answers an OPTIONS."""
    problem = problem_of(failure.value)
    if request.method == b"OPTIONS" and problem.status == 405:  # noqa: PLR2004
        request.setResponseCode(204)
        request.setHeader(b"allow", f"{dict(problem.headers)['Allow']}, OPTIONS".encode())
        return b""
    if problem.status == 500:  # noqa: PLR2004
        _log_bug(request, failure)
    return problem.write(request)


def _log_bug(request: IRequest, failure: Failure) -> None:
    about = about_of(request)
    # Said here and not found in the context: an error may arrive in another one.
    known: dict[str, Any] = {} if about is None else {"request_id": about.id}
    log.failure(
        "{method} {path} failed",
        failure,
        event="http.broke",
        method=shown(request.method),
        path=shown(request.path),
        **known,
    )
