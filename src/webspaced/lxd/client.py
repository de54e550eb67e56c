"""One request to LXD: deadline, error mapping, ETag, and the wait for an operation.

Source: https://documentation.ubuntu.com/lxd/en/latest/rest-api/ (the same for Incus). Answers are told apart by codes
only: LXD reports a failed operation as 200 with a ``status_code`` of 400 in the operation, Incus as 200 with ``error``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

import ijson
from attrs import frozen
from OpenSSL import SSL
from service_identity import CertificateError, VerificationError
from treq.client import HTTPClient
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IAgent

from webspaced.core.json_text import parse as parse_json
from webspaced.errors import Changed, DeadlineExceeded, Distrusted, NotFound, RemoteError, Unavailable
from webspaced.lib.deferreds import bounded, sleep, while_heard
from webspaced.lib.measures import Calls, template
from webspaced.lib.webclient import UNREACHABLE, BodyTooLarge, BytesBody, feed_body, read_body
from webspaced.lxd.tls import openssl_says

T = TypeVar("T")
Body: TypeAlias = Mapping[str, Any] | bytes
"""JSON, or what it is."""

REQUEST_TIMEOUT = 30.0
SUSPECT_TIMEOUT = 5.0
"""Seconds for an answer while the event stream is down: then LXD is more likely gone than busy."""
LARGEST_ANSWER = 256 * 1024 * 1024
"""Bytes. A list of ten thousand instances has about 40 MiB."""
LONGEST_ERROR = 200
OK = 200
WAIT_SLICE = 10.0
"""Seconds of one request that waits for an operation; then it is asked whether LXD is still there."""
WORDS = frozenset((
    "certificates", "console", "exec", "files", "images", "instances", "leases", "metrics", "networks", "operations",
    "profiles", "projects", "resources", "snapshots", "state", "wait",
))  # fmt: skip
"""The parts of paths that are no names, for what is counted of requests."""
PROGRESS_PAUSE = 0.5
"""Seconds between looks at an operation that somebody watches: fluent for people, and nothing to LXD."""


@frozen
class Reply:
    """The ``metadata`` of an answer, its ETag, and for an asynchronous one the operation's path."""

    metadata: Any
    etag: str = ""
    operation: str = ""


class LxdClient:
    """Requests to one LXD within one project."""

    def __init__(
        self,
        agent: IAgent,
        clock: IReactorTime,
        project: str,
        base: str = "http://lxd",
        suspect: Callable[[], bool] = lambda: False,
    ) -> None:
        """:param suspect: tells whether the event stream is down."""
        self._suspect = suspect
        self._http = HTTPClient(agent)
        self.clock = self._clock = clock
        self.calls = Calls(clock, "lxd")
        self._reactor: Any = clock
        self.project = self._project = project
        self._base = base
        self._under_way: set[str] = set()

    def began(self, operation: str) -> bool:
        """Whether an operation, by its id, is one of ours that is waited for."""
        return f"/operations/{operation}" in self._under_way

    async def get(self, path: str, *, largest: int | None = None, **query: str) -> Reply:
        """Give what lies at a path below ``/1.0``; ``NotFound`` if nothing does.

        ``RemoteError`` if it has more than ``largest`` bytes: parsing an answer holds up everybody.
        """
        return await self._request("GET", path, query=query, largest=largest)

    async def each(self, path: str, told: Callable[[Any], object], **query: str) -> None:
        """Hand on the elements of a long list while it comes in, so that nothing waits until all of it is parsed.

        What ``told`` raises ends it.
        """
        url, what = self._url(path, query), f"LXD's answer to GET {path}"

        async def each() -> None:
            # However long the list is, it may take its time as long as it comes.
            silence = SUSPECT_TIMEOUT if self._suspect() else REQUEST_TIMEOUT
            await while_heard(self._clock, silence, lambda heard: self._each(url, told, heard), what)

        await self._measured("GET", path, self._bounded(None, each(), what))

    async def _each(self, url: str, told: Callable[[Any], object], heard: Callable[[], None]) -> None:
        response = await self._http.request("GET", url, unbuffered=True, reactor=self._reactor)
        if response.code >= 400:  # noqa: PLR2004
            _reply(response.code, await read_body(response.original, LARGEST_ANSWER), "")
        elements = _Elements(told)

        def feed(data: bytes) -> None:
            heard()
            elements.feed(data)

        try:
            await feed_body(response.original, LARGEST_ANSWER, feed)
            elements.end()
        except BodyTooLarge as error:
            message = f"LXD's answer has {error}"
            raise RemoteError(message, response.code) from error
        except ijson.JSONError as error:
            message = f"LXD answered {response.code} with something that is not its API's JSON"
            raise RemoteError(message, response.code) from error

    async def send(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, etag: str = "", **query: str
    ) -> Reply:
        """Make a change that LXD answers at once. With an ``etag``, only if nothing changed since (else ``Changed``)."""
        headers = {"If-Match": etag} if etag else {}
        return await self._request(method, path, body=body, headers=headers, query=query)

    async def send_bytes(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> Reply:
        """Send a body that is not JSON, and what LXD's API wants said of it; answered at once."""
        return await self._request(method, path, body=body, headers=headers, query=query)

    async def operate(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        timeout: float = 60.0,
        told: Callable[[Any], None] | None = None,
    ) -> None:
        """Make a change and wait until its operation ended well.

        When the wait is cancelled or takes longer than ``timeout`` seconds, the operation is asked to stop; LXD heeds
        that for creations, and carries others through.

        :param told: gets the operation's ``metadata`` every now and then while it goes on; it must not raise.
        """
        reply = await self._request(method, path, body=body)
        self._under_way.add(_path(reply.operation))
        watching = None if told is None else Deferred.fromCoroutine(self._watch(reply.operation, told))
        try:
            await bounded(self._clock, timeout, self.ended(reply.operation), f"{method} {path}")
        except (CancelledError, DeadlineExceeded):
            await self._abandon(reply.operation)
            raise
        finally:
            self._under_way.discard(_path(reply.operation))
            if watching is not None:
                watching.addErrback(lambda failure: failure.trap(CancelledError)).cancel()

    async def _watch(self, operation: str, told: Callable[[Any], None]) -> None:
        while True:
            await sleep(self._clock, PROGRESS_PAUSE)
            try:
                told((await self._request("GET", _path(operation))).metadata.get("metadata"))
            except (RemoteError, Unavailable, DeadlineExceeded, NotFound):
                # Who waits for the operation learns why.
                continue

    async def fetch(self, path: str, largest: int) -> bytes:
        """Give a file below ``/1.0``, which is bytes and no JSON; ``RemoteError`` if it has more than ``largest``."""
        work = self._fetch(self._url(path, {}), largest)
        return await self._measured("GET", path, self._bounded(REQUEST_TIMEOUT, work, f"LXD's answer to GET {path}"))

    async def _fetch(self, url: str, largest: int) -> bytes:
        code, _, text = await self._answer("GET", url, None, {}, largest)
        if code >= 400:  # noqa: PLR2004
            _reply(code, text, "")
        return text

    async def ended(self, operation: str) -> Mapping[str, Any]:
        """Wait until an operation ended well, and give its document; ``RemoteError`` if it ended badly."""
        return await self.calls.measured("operation", self._ended(operation))

    async def _ended(self, operation: str) -> Mapping[str, Any]:
        try:
            reply = await self._wait(operation)
        except NotFound as error:
            if await self._knows(operation):
                raise
            # Operations live in LXD's memory.
            message = "LXD was restarted meanwhile, and what it was asked for may be undone"
            raise Unavailable(message, retry_after=2.0) from error
        status = reply.metadata.get("status_code", 0)
        if status >= 400:  # noqa: PLR2004
            raise RemoteError(_brief(reply.metadata.get("err", "")), status)
        return reply.metadata  # type: ignore[no-any-return]

    async def _wait(self, operation: str) -> Reply:
        """Wait as long as it takes, but not for an LXD that is gone."""
        while True:
            waiting = self._request("GET", f"{_path(operation)}/wait", deadline=None)
            try:
                return await bounded(self._clock, WAIT_SLICE, waiting, "LXD's operation")
            except DeadlineExceeded as error:
                if self._suspect():
                    message = "LXD does not answer"
                    raise Unavailable(message, retry_after=2.0) from error

    async def _knows(self, operation: str) -> bool:
        try:
            await self._request("GET", _path(operation))
        except NotFound:
            return False
        return True

    async def _abandon(self, operation: str) -> None:
        try:
            await self._request("DELETE", _path(operation), deadline=5.0)
        except (NotFound, RemoteError, Unavailable, DeadlineExceeded):
            # It ended meanwhile, or cannot be cancelled: whoever gave up looks at the instance afterwards.
            return

    def _url(self, path: str, query: Mapping[str, str]) -> str:
        return f"{self._base}/1.0{quote(path)}?{urlencode({'project': self._project, **query})}"

    async def _request(
        self,
        method: str,
        path: str,
        *,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        deadline: float | None = REQUEST_TIMEOUT,
        largest: int | None = None,
    ) -> Reply:
        work = self._exchange(method, self._url(path, query or {}), body, headers or {}, largest or LARGEST_ANSWER)
        return await self._measured(method, path, self._bounded(deadline, work, f"LXD's answer to {method} {path}"))

    async def _measured(self, method: str, path: str, work: Coroutine[Any, Any, T]) -> T:
        return await self.calls.measured(f"{method} {template(path, WORDS)}", work)

    async def _bounded(self, deadline: float | None, work: Coroutine[Any, Any, T], what: str) -> T:
        if deadline is not None and self._suspect():
            deadline = min(deadline, SUSPECT_TIMEOUT)
        try:
            return await (work if deadline is None else bounded(self._clock, deadline, work, what))
        except UNREACHABLE as error:
            raise _unreachable(error) from error
        except DeadlineExceeded as error:
            if not self._suspect():
                # It is there, and cannot answer this.
                raise
            message = "LXD does not answer"
            raise Unavailable(message, retry_after=2.0) from error

    async def _exchange(
        self, method: str, url: str, body: Body | None, headers: Mapping[str, str], largest: int
    ) -> Reply:
        code, etag, text = await self._answer(method, url, body, headers, largest)
        return _reply(code, text, etag)

    async def _answer(
        self, method: str, url: str, body: Body | None, headers: Mapping[str, str], largest: int
    ) -> tuple[int, str, bytes]:
        data = None if body is None else BytesBody(body if isinstance(body, bytes) else json.dumps(body).encode())
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        sent: Any = {"Content-Type": kind, **headers} if data is not None else dict(headers)
        response = await self._http.request(method, url, data=data, headers=sent, unbuffered=True, reactor=self._reactor)
        try:
            text = await read_body(response.original, largest)
        except BodyTooLarge as error:
            message = f"LXD's answer has {error}"
            raise RemoteError(message, response.code) from error
        return response.code, (response.headers.getRawHeaders("ETag") or [""])[0], text


class _Elements:
    """Parses an answer piece by piece (https://github.com/ICRAR/ijson#push-interfaces)."""

    def __init__(self, told: Callable[[Any], object]) -> None:
        self._told = told
        self._any = False
        self._text = bytearray()
        self._parser = ijson.items_coro(self, "metadata.item", use_float=True)

    def send(self, element: Any) -> None:
        """Take what the parser found."""
        self._any = True
        self._told(element)

    def feed(self, data: bytes) -> None:
        """Take the next piece of the text."""
        self._parser.send(data)
        if not self._any:
            self._text += data

    def end(self) -> None:
        """Take the end: an answer with no element must be a list all the same."""
        self._parser.close()
        if not self._any and _reply(OK, bytes(self._text), "").metadata != []:
            raise RemoteError("LXD's answer is not what its API describes", 0)


def _unreachable(error: Exception) -> Exception:
    # Twisted keeps the reasons of a lost connection in a list; a failed handshake is one of OpenSSL's.
    for reason in getattr(error, "reasons", ()):
        if reason.check(CancelledError):
            # It was given up.
            return CancelledError()
        if reason.check(SSL.Error):
            said = openssl_says(reason.value)
            message = f"LXD's certificate is not the expected one, or it refuses ours (see lxd.tls): {said}"
            return Distrusted(message, retry_after=2.0)
        if reason.check(VerificationError, CertificateError):
            message = "LXD's certificate is not the expected one: it is not for the host that lxd.url names"
            return Distrusted(message, retry_after=2.0)
    message = "LXD cannot be reached"
    return Unavailable(message, retry_after=2.0)


def _path(operation: str) -> str:
    # A cluster adds ?project=, which every request of ours has anyway.
    return operation.removeprefix("/1.0").partition("?")[0]


def _reply(code: int, text: bytes, etag: str) -> Reply:
    try:
        document = parse_json(text)
        kind = document["type"]
    except (ValueError, KeyError, TypeError) as error:
        message = f"LXD answered {code} with something that is not its API's JSON"
        raise RemoteError(message, code) from error
    if kind == "error":
        raise _error(document.get("error_code") or code, document.get("error", ""))
    return Reply(document.get("metadata"), etag, document.get("operation") or "")


def _error(code: int, text: str) -> Exception:
    message = _brief(text)
    if code == 404:  # noqa: PLR2004
        return NotFound(message)
    if code == 503:  # noqa: PLR2004
        # It is still starting.
        return Unavailable(message, retry_after=2.0)
    if code == 412:  # noqa: PLR2004
        return Changed(message, code)
    return RemoteError(message, code)


def _brief(text: str) -> str:
    return text if len(text) <= LONGEST_ERROR else f"{text[:LONGEST_ERROR]}…"
