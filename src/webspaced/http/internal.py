"""What the operator's own programs ask: a Traefik of the former daemon, which wakes webspaces itself."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from klein import Klein
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest

from webspaced.core.webspace import Webspace
from webspaced.http.auth import Auth
from webspaced.http.problems import answer
from webspaced.interfaces import IBootGate


class Internal:
    """``/internal``, for admins' tokens only."""

    app = Klein()

    def __init__(self, auth: Auth, gate: IBootGate, read: Callable[[int], Coroutine[Any, Any, Webspace]]) -> None:
        """Wake by the gate; ``read`` gives a user's webspace, or ``NotFound``."""
        self._auth = auth
        self._gate = gate
        self._read = read

    @app.handle_errors(Exception)
    def on_error(self, request: IRequest, failure: Failure) -> bytes:
        """Answer every error."""
        return answer(request, failure)

    @app.route("/internal/<who>/ensure-started", methods=["POST"])
    async def ensure_started(self, request: IRequest, who: str) -> bytes:
        """Boot if needed, wait until the web server answers, and give its bare address."""
        user = await self._auth.subject_for_admin(request, who)
        config = (await self._read(user.id)).config
        # A waiter of its own: a client that goes away lets go of nothing but itself.
        endpoint = await self._gate.ready(user.id, config.http_port, http=config.web_is_http)
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        body = str(endpoint.host).encode()
        request.setHeader(b"content-length", str(len(body)).encode())
        return body
