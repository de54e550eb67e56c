"""The pages of a service for its operators: ``/live``, ``/ready`` and ``/metrics``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource
from twisted.web.server import Site

from webspaced.base.listener import Listener
from webspaced.settings import Address

PROMETHEUS_TEXT = b"text/plain; version=0.0.4; charset=utf-8"
"""Prometheus' text format, which has no exemplars
(https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format)."""


class _Page(Resource):
    """One page; ``answer`` gives its status, type and body."""

    isLeaf = True

    def __init__(self, answer: Callable[[], tuple[int, bytes, bytes]]) -> None:
        super().__init__()
        self._answer = answer

    def render_GET(self, request: Any) -> bytes:
        """Answer; HEAD is answered by the same."""
        status, kind, body = self._answer()
        return answered(request, status, kind, body)


def answered(request: IRequest, status: int, kind: bytes, body: bytes) -> bytes:
    """Set what goes before a body that is known whole, and give it."""
    request.setResponseCode(status)
    if body:
        request.setHeader(b"content-type", kind)
    return body


def problem(status: int, title: str, detail: str) -> bytes:
    """Give a problem document (RFC 9457), with ``message`` as all services here have it."""
    return json.dumps({"message": detail, "title": title, "status": status, "detail": detail}).encode()


def operators_pages(trouble: Callable[[], str | None], figures: Callable[[], bytes]) -> IResource:
    """Give the root of these pages.

    :param trouble: why the service is not ready; None while it is.
    :param figures: gives the page ``/metrics`` in Prometheus' text format.
    """
    root = Resource()
    root.putChild(b"live", _Page(lambda: (204, b"", b"")))
    root.putChild(b"ready", _Page(lambda: _readiness(trouble())))
    root.putChild(b"metrics", _Page(lambda: (200, PROMETHEUS_TEXT, figures())))
    return root


def _readiness(trouble: str | None) -> tuple[int, bytes, bytes]:
    if trouble is None:
        return 204, b"", b""
    return 503, b"application/problem+json", problem(503, "Service Unavailable", trouble)


class _Quiet(Site):
    """Logs no requests: probes and Prometheus ask some times a minute."""

    def log(self, request: Any) -> None:
        """Say nothing."""


def operators_site(
    reactor: Any, address: Address, trouble: Callable[[], str | None], figures: Callable[[], bytes]
) -> Listener:
    """Give the listener with these pages."""
    site = _Quiet(operators_pages(trouble, figures), reactor=reactor)
    site.displayTracebacks = False
    return Listener(reactor, address, site, "live, ready and metrics")
