"""LXD's wire in memory, behind the real client: answers that the test gives, requests that it can look at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from attrs import frozen
from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IAgent, IResponse
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request
from zope.interface import implementer


@frozen
class Asked:
    """A request as LXD got it."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any = None


@frozen
class Reply:
    """An answer; ``body`` is sent as it is if it is bytes."""

    body: Any
    status: int = 200
    etag: str = ""


def sync(metadata: Any, etag: str = "") -> Reply:
    return Reply({"type": "sync", "status_code": 200, "metadata": metadata}, etag=etag)


def accepted(operation: str = "/1.0/operations/op-1") -> Reply:
    return Reply({"type": "async", "status_code": 100, "operation": operation, "metadata": {}}, 202)


def error(code: int, text: str = "no", status: int | None = None) -> Reply:
    return Reply({"type": "error", "error_code": code, "error": text}, code if status is None else status)


class _Root(Resource):
    isLeaf = True

    def __init__(self, lxd: FakeLxd) -> None:
        super().__init__()
        self._lxd = lxd

    def render(self, request: Request) -> Any:
        text = request.content.read()
        path, _, query = request.uri.decode().partition("?")
        is_json = request.getHeader("content-type") != "application/octet-stream"
        asked = Asked(
            request.method.decode(),
            path,
            {name: values[0] for name, values in parse_qs(query).items()},
            {name.decode().lower(): values[0].decode() for name, values in request.requestHeaders.getAllRawHeaders()},
            (json.loads(text) if text else None) if is_json else text,
        )
        self._lxd.asked.append(asked)
        reply = self._lxd.answer(asked)
        if reply is None:
            return NOT_DONE_YET
        request.setResponseCode(reply.status)
        if reply.etag:
            request.setHeader("ETag", reply.etag)
        return reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()


@implementer(IAgent)
class FakeLxd:
    """An agent. ``replies`` are given in order, ``None`` never; an exception there is how the connection fails."""

    def __init__(self, clock: IReactorTime, *replies: Reply | Exception | None) -> None:
        self.asked: list[Asked] = []
        self.replies: list[Reply | Exception | None] = list(replies)
        self.cancelled = 0
        self._agent = RequestTraversalAgent(_Root(self))

    def answer(self, asked: Asked) -> Reply | None:
        reply = self.replies.pop(0)
        assert not isinstance(reply, Exception)
        return reply

    def request(self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None) -> Deferred[IResponse]:
        if self.replies and isinstance(self.replies[0], Exception):
            raise self.replies.pop(0)
        pending = self.replies and self.replies[0] is None
        answering = self._agent.request(method, uri, headers, bodyProducer)
        self._agent.flush()
        return Deferred(self._cancel) if pending else answering

    def _cancel(self, _deferred: Deferred[IResponse]) -> None:
        self.cancelled += 1
