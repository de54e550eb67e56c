"""What clients are served: documents, files and pages of the streams, by the paths that OctoLXD had."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from webspaced.base.site import answered, problem
from webspaced.images.access import Access
from webspaced.images.core.catalogue import File
from webspaced.images.page import CSP, overview_page, stream_page
from webspaced.images.sending import Sending, Unsatisfiable, part_of
from webspaced.images.snapshot import Body, Snapshot
from webspaced.images.store import Store, TooLarge
from webspaced.images.stream import Stream
from webspaced.images.streams import Streams
from webspaced.lib.measures import Counted

JSON, HTML, PROBLEM = b"application/json", b"text/html; charset=utf-8", b"application/problem+json"
TITLES: Mapping[int, str] = {
    401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed", 416: "Range Not Satisfiable",
    503: "Service Unavailable",
}  # fmt: skip
FILES = b"public, max-age=3600"
"""A file of a version hardly changes; its hash is in the list that names it."""
DOCUMENTS = b"public, max-age=60, must-revalidate"
_HOST = re.compile(r"(?:[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?", re.ASCII)
_FILE_PATH = re.compile(r"images/(?P<image>.+)/[^/]+/(?P<version>[^/]+)/[^/]+")


class Front(Resource):
    """The root of the public listener."""

    isLeaf = True

    def __init__(self, streams: Streams, store: Store, access: Access, now: Callable[[], float], url: str | None) -> None:
        """:param url: the address by which clients reach us, if it is known."""
        super().__init__()
        self._streams, self._store, self._access, self._now, self._url = streams, store, access, now, url
        self.requests = Counted()
        """By what was asked for and status."""
        self.downloads = Counted()
        """Files sent to their ends, by stream, image and version."""
        self.sent = 0
        """Bytes of files."""

    def render(self, request: Any) -> Any:
        """Answer; every method but GET and HEAD is refused."""
        if request.method not in (b"GET", b"HEAD"):
            request.setHeader(b"allow", b"GET, HEAD")
            return self._refuse(request, 405, "this server is read only")
        request.setHeader(b"x-content-type-options", b"nosniff")
        path = unquote(request.path.decode("ascii", "replace")).strip("/")
        if path == "health":
            return self._answer(request, "health", 204, b"", b"")
        if not path:
            return self._overview(request)
        found = self._streams.find(path)
        if isinstance(found, Deferred):
            # A repository of an owner who is allowed, asked for the first time.
            found.addCallback(self._late, request, path).addErrback(self._broke, request)
            return NOT_DONE_YET
        return self._of_stream(request, found, path)

    def _late(self, stream: Stream | None, request: Any, path: str) -> None:
        body = self._of_stream(request, stream, path)
        if body is not NOT_DONE_YET and not request._disconnected:  # noqa: SLF001  (Twisted has no other word for it)
            request.write(body)
            request.finish()

    def _broke(self, failure: Failure, request: Any) -> None:
        self.requests.add("page", "500")
        if not request._disconnected:  # noqa: SLF001
            request.processingFailed(failure)

    def _of_stream(self, request: Any, stream: Stream | None, path: str) -> Any:
        if stream is None:
            return self._refuse(request, 404, "there is no such stream")
        if not self._access.admits(stream.name, request):
            request.setHeader(b"www-authenticate", b'Basic realm="images", charset="UTF-8"')
            return self._refuse(request, 401, "this stream asks for a name and a password")
        if not self._access.is_open(stream.name):
            request.setHeader(b"vary", b"authorization")
        rest = path[len(stream.name) :].strip("/")
        snapshot = stream.snapshot
        if rest == "":
            return self._page(request, stream_page(stream, self._base(request)))
        if snapshot is None:
            request.setHeader(b"retry-after", b"30")
            return self._refuse(request, 503, f"{stream.name} could not be read yet: {stream.trouble or 'it is being read'}")
        return self._of_snapshot(request, stream, snapshot, rest)

    def _of_snapshot(self, request: Any, stream: Stream, snapshot: Snapshot, rest: str) -> Any:
        body = snapshot.bodies.get(rest)
        if body is not None:
            return self._document(request, body)
        file = snapshot.file(rest, self._now())
        if file is None:
            return self._refuse(request, 404, "there is no such file")
        return self._file(request, stream, file, rest)

    # --- documents and pages

    def _document(self, request: Any, body: Body) -> Any:
        packed = b"gzip" in (request.getHeader(b"accept-encoding") or b"")
        request.setHeader(b"vary", b"accept-encoding")
        request.setHeader(b"cache-control", DOCUMENTS)
        if packed:
            request.setHeader(b"content-encoding", b"gzip")
        if request.setETag(f'"{body.digest[:32]}{"-gzip" if packed else ""}"'.encode()):
            self.requests.add("document", "304")
            return b""
        return self._answer(request, "document", 200, JSON, body.packed if packed else body.plain)

    def _overview(self, request: Any) -> Any:
        shown = [stream for stream in self._streams.all() if self._access.is_open(stream.name)]
        return self._page(request, overview_page(shown))

    def _page(self, request: Any, text: str) -> Any:
        request.setHeader(b"content-security-policy", CSP)
        request.setHeader(b"referrer-policy", b"no-referrer")
        return self._answer(request, "page", 200, HTML, text.encode())

    def _base(self, request: Any) -> str:
        if self._url is not None:
            return self._url
        host = (request.getHeader(b"host") or b"").decode("ascii", "replace")
        return f"https://{host if _HOST.fullmatch(host) else 'images.example.org'}"

    # --- files

    def _file(self, request: Any, stream: Stream, file: File, path: str) -> Any:
        tag = f'"{file.sha256}"'.encode()
        request.setHeader(b"accept-ranges", b"bytes")
        request.setHeader(b"cache-control", FILES)
        if request.setETag(tag):
            self.requests.add("file", "304")
            return b""
        wanted = request.getHeader(b"range") if request.getHeader(b"if-range") in (None, tag) else None
        try:
            part = part_of(None if wanted is None else wanted.decode("ascii", "replace"), file.asset.size)
        except Unsatisfiable:
            request.setHeader(b"content-range", b"bytes */%d" % file.asset.size)
            return self._refuse(request, 416, f"the file has {file.asset.size} bytes")
        start, end = part or (0, file.asset.size)
        if part is not None:
            request.setHeader(b"content-range", b"bytes %d-%d/%d" % (start, end - 1, file.asset.size))
        status = 200 if part is None else 206
        if request.method == b"HEAD":
            return self._head(request, status, end - start)
        try:
            return self._send(request, stream, file, path, status, (start, end))
        except (TooLarge, OSError) as error:
            return self._refuse(request, 503, f"the file cannot be had now: {error}")

    def _head(self, request: Any, status: int, length: int) -> bytes:
        self._set(request, status, length)
        return b""

    def _set(self, request: Any, status: int, length: int) -> None:
        self.requests.add("file", str(status))
        request.setResponseCode(status)
        request.setHeader(b"content-type", b"application/octet-stream")
        request.setHeader(b"content-length", b"%d" % length)

    def _send(
        self, request: Any, stream: Stream, file: File, path: str, status: int, part: tuple[int, int]
    ) -> Any:
        held = self._store.hold(file.asset, stream.source.fetch, file.sha256)
        start, end = part

        def done(sent: int) -> None:
            self.sent += sent
            self._store.release(file.asset, held)
            match = _FILE_PATH.fullmatch(path)
            if sent == file.asset.size and match is not None:
                self.downloads.add(stream.name, match["image"], match["version"])

        try:
            sending = Sending(request, held, start, end, done)
        except OSError:
            self._store.release(file.asset, held)
            raise
        self._set(request, status, end - start)
        sending.begin()
        return NOT_DONE_YET

    # --- answers

    def _refuse(self, request: Any, status: int, detail: str) -> bytes:
        return self._answer(request, "refusal", status, PROBLEM, problem(status, TITLES[status], detail))

    def _answer(self, request: Any, what: str, status: int, kind: bytes, body: bytes) -> bytes:
        self.requests.add(what, str(status))
        request.setHeader(b"content-length", b"%d" % len(body))
        return answered(request, status, kind, b"" if request.method == b"HEAD" else body)


class _Logged(Site):
    """Tells of each answer by an event of ours, to who looks closely: Twisted's own line has no name, and another clock."""

    _log = Logger()

    def log(self, request: Any) -> None:
        """Tell of one."""
        self._log.debug(
            "{address} {method} {path} {status}", event="images.answered", address=request.getClientAddress().host,
            method=request.method.decode("ascii", "replace"), path=request.path.decode("ascii", "replace"),
            status=request.code,
        )  # fmt: skip


def site_of(front: Front, reactor: Any) -> Site:
    """Give the factory of the public listener."""
    site = _Logged(front, reactor=reactor)
    site.displayTracebacks = False
    return site
