"""The API's document, and the page (Swagger UI) by which people read and try it: files of the package, and no others."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any

from klein import Klein
from twisted.python.failure import Failure
from twisted.web.http import CACHED
from twisted.web.iweb import IRequest

import webspaced
from webspaced.errors import NotFound
from webspaced.http.problems import answer, whole

MANUAL_PATHS = (b"static", b"swagger")
SCRIPT, TEXT = b"text/javascript; charset=utf-8", b"text/plain; charset=utf-8"
DOCUMENT, PAGE = "api.yaml", "swagger/index.html"
# What is not named here is not served, whatever lies in the folder.
KINDS = {
    DOCUMENT: b"application/yaml",
    PAGE: b"text/html; charset=utf-8",
    "swagger/LICENSE": TEXT,
    "swagger/NOTICE": TEXT,
    "swagger/favicon.png": b"image/png",
    "swagger/initializer.js": SCRIPT,
    "swagger/swagger-ui-bundle.js": SCRIPT,
    "swagger/swagger-ui-bundle.js.LICENSE.txt": TEXT,
    "swagger/swagger-ui.css": b"text/css; charset=utf-8",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What the page may load (https://www.w3.org/TR/CSP3/): its own files, and the API of its own origin. Swagger UI's icons are
data, and some of its elements carry styles."""
HEADERS = {
    # Kept by browsers, and asked for anew each time: the names stay the same over releases.
    "Cache-Control": "no-cache",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Manual:
    """``/static/api.yaml``, and ``/swagger`` with what it is made of. No token is needed."""

    app = Klein()

    def __init__(self, folder: Traversable | None = None) -> None:
        """Serve files of a folder, by default the package's own."""
        self._folder = files(webspaced) / "static" if folder is None else folder
        self._read: dict[str, tuple[bytes, bytes]] = {}
        """What was asked for already, and its ETag: anybody may ask, and often."""

    @app.handle_errors(Exception)
    def on_error(self, request: IRequest, failure: Failure) -> bytes:
        """Answer every error."""
        return answer(request, failure)

    @app.route("/static/api.yaml", methods=["GET"])
    def document(self, request: IRequest) -> bytes:
        """Give the OpenAPI document."""
        return self._file(request, DOCUMENT)

    @app.route("/swagger", methods=["GET"])
    def page(self, request: IRequest) -> bytes:
        """Give the page."""
        return self._file(request, PAGE)

    @app.route("/swagger/<name>", methods=["GET"])
    def part(self, request: IRequest, name: str) -> bytes:
        """Give what the page is made of."""
        path = f"swagger/{name}"
        if path not in KINDS or path == PAGE:
            message = "there is nothing at this path"
            raise NotFound(message)
        return self._file(request, path)

    def _file(self, request: Any, path: str) -> bytes:
        content, etag = self._content(path)
        for name, value in HEADERS.items():
            request.setHeader(name, value)
        if request.setETag(etag) is CACHED:
            return b""
        return whole(request, 200, KINDS[path], content)

    def _content(self, path: str) -> tuple[bytes, bytes]:
        if path not in self._read:
            content = self._folder.joinpath(path).read_bytes()
            self._read[path] = content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'.encode()
        return self._read[path]
