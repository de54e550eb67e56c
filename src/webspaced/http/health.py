"""Probes: whether the daemon turns, is ready, and sees LXD. None of them needs a token or touches LXD."""

from __future__ import annotations

from collections.abc import Callable

from klein import Klein
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest

from webspaced.http.problems import Problem, answer


class Health:
    """``/live``, ``/ready`` and ``/health``."""

    app = Klein()

    def __init__(
        self, ready: Callable[[], bool], healthy: Callable[[], bool], trouble: Callable[[], str] = lambda: ""
    ) -> None:
        """:param healthy: whether LXD can be reached.

        :param trouble: says what else is wrong, for everybody; empty if nothing is.
        """
        self._is_ready = ready
        self._is_healthy = healthy
        self._trouble = trouble

    @app.handle_errors(Exception)
    def on_error(self, request: IRequest, failure: Failure) -> bytes:
        """Answer every error."""
        return answer(request, failure)

    @app.route("/live", methods=["GET"])
    def live(self, request: IRequest) -> bytes:
        """204: the reactor turns."""
        request.setResponseCode(204)
        return b""

    @app.route("/ready", methods=["GET"])
    def ready(self, request: IRequest) -> bytes:
        """204 once the first sync is done and everything listens; it stays, whatever LXD does.

        But not while a Traefik of this webspaced's own serves nobody.
        """
        return self._tell(request, 503, self._trouble() or "webspaced is still starting", ok=self._is_ready())

    @app.route("/health", methods=["GET"])
    def health(self, request: IRequest) -> bytes:
        """204, or 500 while LXD's event stream is down or routes cannot be written (the contract's numbers)."""
        away = "" if self._is_healthy() else "LXD cannot be reached"
        troubles = [each for each in (away, self._trouble()) if each]
        return self._tell(request, 500, "; ".join(troubles), ok=not troubles)

    def _tell(self, request: IRequest, status: int, message: str, *, ok: bool) -> bytes:
        if not ok:
            return Problem(status=status, message=message).write(request)
        request.setResponseCode(204)
        return b""
