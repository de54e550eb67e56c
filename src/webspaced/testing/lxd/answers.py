"""The answers of the API: sync, async and error documents, and the path that every request takes.

LXD answers after a moment; faults that a test injected come in here; the client that went away is noticed.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.web.server import Request

from webspaced.lib.deferreds import sleep
from webspaced.testing.lxd.documents import dump, tag_of
from webspaced.testing.lxd.errors import ApiError
from webspaced.testing.lxd.faults import Fault, Faults
from webspaced.testing.lxd.operations import Operation

REMEMBERED = 10_000
"""How many requests a simulator that runs for long remembers."""


@frozen
class Answer:
    """What is sent: bytes as they are, anything else by its headers and text."""

    body: bytes
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)
    operation: Operation | None = None


def sync(metadata: Any, *, etag: str = "") -> Answer:
    """Give an answer with a value."""
    return sync_text(dump(metadata), etag=etag)


def tagged(document: Any) -> Answer:
    """Give an answer with a value whose ETag follows from it."""
    return sync(document, etag=tag_of(document))


def sync_text(metadata: str, *, etag: str = "", status: int = 200, location: str = "") -> Answer:
    """Give an answer with a value that is JSON already."""
    said = '"status":"Success","status_code":200' if status == 200 else '"status":"Created","status_code":201'  # noqa: PLR2004
    body = f'{{"type":"sync",{said},"operation":"","error_code":0,"error":"","metadata":{metadata}}}\n'
    headers: list[tuple[str, str]] = [("Content-Type", "application/json")]
    if etag:
        headers.append(("Etag", f'"{etag}"'))
    if location:
        headers.append(("Location", location))
    return Answer(body.encode(), status, tuple(headers))


def begun(operation: Operation) -> Answer:
    """Give an answer with an operation that goes on, or failed already (which the client learns when it waits)."""
    shown = {**operation.document(), "status": "Running", "status_code": 103, "err": "", "updated_at": operation.created_at}
    document = {
        "type": "async",
        "status": "Operation created",
        "status_code": 100,
        "operation": operation.path,
        "error_code": 0,
        "error": "",
        "metadata": shown,
    }
    headers = (("Content-Type", "application/json"), ("Location", operation.path))
    return Answer(dump(document).encode() + b"\n", 202, headers, operation)


def refused(code: int, text: str, *, status: int | None = None) -> Answer:
    """Give an error document."""
    document = {
        "type": "error",
        "status": "",
        "status_code": 0,
        "operation": "",
        "error_code": code,
        "error": text,
        "metadata": None,
    }
    headers = (("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff"))
    return Answer(dump(document).encode() + b"\n", code if status is None else status, headers)


def read_json(request: Any) -> dict[str, Any]:
    """Give the JSON object of a request."""
    text = request.content.read()
    if not text:
        raise ApiError(400, "EOF")
    try:
        document = json.loads(text)
    except ValueError:
        raise ApiError(400, f"invalid character {chr(text[0])!r} looking for beginning of value") from None
    if not isinstance(document, dict):
        raise ApiError(400, "json: cannot unmarshal into Go value")
    return document


def argument(request: Request, name: str, default: str = "") -> str:
    """Give an argument of a request's query."""
    values = request.args.get(name.encode())
    return str(values[0].decode()) if values else default


class Path:
    """What every request goes through. ``asked`` has method and URL of the last ones."""

    def __init__(self, clock: Any, faults: Faults) -> None:
        self.asked: deque[tuple[str, str]] = deque(maxlen=REMEMBERED)
        self.trusted = True
        self._clock = clock
        self._faults = faults

    async def serve(self, request: Request, seconds: float, work: Callable[[], Any], *, public: bool = False) -> Any:
        """Do what a request asks for, after a moment. ``work`` gives an :class:`Answer`, or waits for one.

        Who is not trusted gets only what is ``public``.
        """
        method, path = request.method.decode(), request.path.decode()
        self.asked.append((method, request.uri.decode()))
        fault = self._faults.take(method, path)
        await sleep(self._clock, seconds)
        try:
            answer = await self._worked(fault, work, public=public)
        except ApiError as error:
            answer = refused(error.code, error.text)
        if not isinstance(answer, Answer):
            return answer
        if fault is not None and fault.kind == "doom" and answer.operation is not None:
            answer.operation.doom = fault.text
        return self._send(request, answer, fault)

    async def _worked(self, fault: Fault | None, work: Callable[[], Any], *, public: bool) -> Any:
        if not self.trusted and not public:
            raise ApiError(403, "not authorized")
        if fault is not None and fault.kind == "refuse":
            raise ApiError(fault.code, fault.text)
        answer = work()
        return answer if isinstance(answer, Answer) or not hasattr(answer, "__await__") else await answer

    @staticmethod
    def _send(request: Any, answer: Answer, fault: Fault | None) -> Any:
        request.setResponseCode(answer.status)
        for name, value in answer.headers:
            request.setHeader(name, value)
        if fault is None or fault.kind not in ("hang", "cut"):
            request.setHeader("Content-Length", str(len(answer.body)))
            return answer.body
        if fault.kind == "cut":
            request.setHeader("Content-Length", str(len(answer.body)))
            request.write(answer.body[: len(answer.body) // 2])
            request.transport.loseConnection()
        # Never answered: the Deferred goes with the connection.
        return Deferred()


__all__ = ["Answer", "Path", "argument", "begun", "read_json", "refused", "sync", "sync_text", "tagged"]
