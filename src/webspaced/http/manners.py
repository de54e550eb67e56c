"""What holds for every request, whatever it asks for: an id, who sent it, CORS, limits and a line in the access log."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from io import SEEK_END
from typing import Any

from attrs import evolve, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import IResource, Resource, getChildForRequest
from twisted.web.server import NOT_DONE_YET

from webspaced.audit.cause import CAUSE
from webspaced.core.client_address import IPAddress, IPNetwork, client_address, parse_address
from webspaced.errors import Invalid, Unavailable
from webspaced.http import access
from webspaced.http.about import About, IAbout, header, request_id, shown
from webspaced.http.audited import CALL, Audited
from webspaced.http.bodies import body_too_large
from webspaced.http.cors import Cors
from webspaced.http.limits import Limits
from webspaced.http.problems import TooManyRequests, problem_of
from webspaced.http.requests import Requests
from webspaced.lib.logs import REQUEST_ID
from webspaced.lib.spans import SPAN, ITracer

READING = frozenset({b"GET", b"HEAD", b"OPTIONS"})
FAILED = 500
"""The first status of those that are webspaced's fault, or of what stands behind it."""
UNLIMITED = frozenset({b"/live", b"/ready", b"/health"})


@frozen(kw_only=True)
class Rules:
    """The manners of one listener. Without ``cors`` no page may call it, without ``limits`` all as often as they like."""

    clock: IReactorTime
    trusted: Sequence[IPNetwork] = ()
    cors: Cors | None = None
    limits: Limits | None = None
    requests: Requests | None = None
    """Counts them."""
    tracer: ITracer | None = None
    audited: Audited | None = None
    """Which are told of in the audit log."""
    leads: Callable[[], bool] = lambda: True
    """Whether this daemon may change webspaces now, and no other one does."""


class Mannered(Resource):
    """Stands before the resource that answers."""

    isLeaf = True

    def __init__(self, inner: IResource, rules: Rules) -> None:
        super().__init__()
        self._inner = inner
        self._rules = rules
        self._lines = access.lines(rules.clock)

    def trust(self, networks: Sequence[IPNetwork]) -> None:
        """Believe the proxies of these networks from now on."""
        self._rules = evolve(self._rules, trusted=networks)

    def render(self, request: Any) -> int:
        """Serve a request, in a context of its own that knows the request's id."""
        about = self._introduce(request)
        context = copy_context()
        context.run(REQUEST_ID.set, about.id)
        audited = self._rules.audited
        call = None if audited is None else audited.call(request, about)
        if call is not None:
            context.run(CAUSE.set, call.cause)
            context.run(CALL.set, call)
            request.notifyFinish().addBoth(lambda _: call.answered(request.code, complete=bool(request.finished)))
        self._trace(request, about, context)
        context.run(self._serve, request, about)
        return NOT_DONE_YET

    def _trace(self, request: Any, about: About, context: Context) -> None:
        """Let all that is done for a request be parts of one trace."""
        tracer, requests = self._rules.tracer, self._rules.requests
        if tracer is None or requests is None or request.path in access.QUIET:
            return
        method, route = shown(request.method), requests.endpoint(request.path)
        root = tracer.root(f"{method} {route}", http_request__method=method, http_route=route, request_id=about.id)
        context.run(SPAN.set, root)

        def ended(_result: object) -> None:
            root.note(http_response__status_code=request.code, user=about.user)
            root.end(about.problem if request.code >= FAILED else "")

        request.notifyFinish().addBoth(ended)

    def _introduce(self, request: Any) -> About:
        clock = self._rules.clock
        about = About(
            id=request_id(header(request, b"x-request-id")),
            address=_address(request, self._rules.trusted),
            began=clock.seconds(),
            size=_size(request),
        )
        request.setComponent(IAbout, about)
        request.setHeader(b"x-request-id", about.id.encode())
        # Clients that went away are told of, too.
        request.notifyFinish().addBoth(lambda _: self._ended(request, about))
        return about

    def _ended(self, request: Any, about: About) -> None:
        about.end()
        if self._rules.limits is not None:
            self._rules.limits.answered(about.address, about.uid, request.sentLength)
        if self._rules.requests is not None:
            seconds = self._rules.clock.seconds() - about.began
            self._rules.requests.over(request.method, request.path, request.code, seconds)
        access.tell(request, about, self._rules.clock.seconds(), self._lines)

    def _serve(self, request: Any, about: About) -> None:
        origin = header(request, b"origin")
        if self._rules.cors is not None:
            # Before anything is refused: a page is to see why.
            _set(request, self._rules.cors.headers(origin))
        try:
            self._check(request, about)
        except (TooManyRequests, Invalid, Unavailable) as error:
            request.write(problem_of(error).write(request))
            request.finish()
            return
        if self._rules.cors is not None and origin is not None and _is_preflight(request):
            self._answer_preflight(request, self._rules.cors, origin)
            return
        request.render(getChildForRequest(self._inner, request))

    def _check(self, request: Any, about: About) -> None:
        if self._rules.limits is not None and request.path not in UNLIMITED:
            self._rules.limits.check_address(about.address, about.size)
        if getattr(request, "is_too_large", False):
            raise body_too_large(request.largest)
        if not request.getRequestHostname().isascii():
            # Klein would answer by itself, and log a failure.
            raise Invalid("the Host header is no name")
        if request.method not in READING and not self._rules.leads():
            raise Unavailable("this webspaced is on standby, or still starting: it changes nothing")

    def _answer_preflight(self, request: Any, cors: Cors, origin: str) -> None:
        wanted = header(request, b"access-control-request-headers") or ""
        _set(request, cors.preflight(origin, wanted))
        request.setResponseCode(204)
        request.finish()


def _size(request: Any) -> int:
    """Give the bytes of headers and body, as much as was kept of it: all of them were read and are work."""
    size: int = request.content.seek(0, SEEK_END)
    request.content.seek(0)
    return size + getattr(request, "head", 0)


def _is_preflight(request: Any) -> bool:
    method: bytes = request.method
    return method == b"OPTIONS" and bool(request.requestHeaders.hasHeader(b"access-control-request-method"))


def _set(request: Any, headers: Sequence[tuple[str, str]]) -> None:
    for name, value in headers:
        request.setHeader(name.encode(), value.encode())


def _address(request: Any, trusted: Sequence[IPNetwork]) -> IPAddress | None:
    peer = parse_address(getattr(request.getClientAddress(), "host", ""))
    if peer is None:
        return None
    values = request.requestHeaders.getRawHeaders(b"x-forwarded-for") or []
    return client_address(peer, [value.decode("ascii", "replace") for value in values], trusted)
