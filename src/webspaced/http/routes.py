"""The document that Traefik's http provider polls."""

from __future__ import annotations

from hmac import compare_digest

from klein import Klein
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest

from webspaced.errors import Unauthenticated, Unavailable
from webspaced.http.problems import answer
from webspaced.interfaces import IRouteDocument


class RouteDocument:
    """``/routes``: 503 until routes are known, on which Traefik keeps what it has."""

    app = Klein()

    def __init__(self, document: IRouteDocument, token: str | None = None) -> None:
        """:param token: what has to be said to get it: it holds the keys of members' own certificates."""
        self._document = document
        self._expected = None if token is None else f"Bearer {token}".encode()

    @app.handle_errors(Exception)
    def on_error(self, request: IRequest, failure: Failure) -> bytes:
        """Answer every error."""
        return answer(request, failure)

    @app.route("/routes", methods=["GET"])
    def routes(self, request: IRequest) -> bytes:
        """Give the document."""
        given = request.getHeader(b"authorization") or b""
        if self._expected is not None and not compare_digest(given, self._expected):
            message = "the routes are for who knows traefik.http.token"
            raise Unauthenticated(message)
        document = self._document.fetch()
        if document is None:
            message = "webspaced does not know all routes yet"
            raise Unavailable(message)
        request.setHeader(b"content-type", b"application/json")
        request.setHeader(b"content-length", str(len(document)).encode())
        return document

    def close(self) -> None:
        """Say that nothing is served any more."""
        self._document.close()
