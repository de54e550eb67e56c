"""The pages of the agent: those of every service, and the two that kubelan had."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.web.resource import IResource, Resource
from twisted.web.server import Site

from webspaced.base.listener import Listener
from webspaced.base.site import answered, operators_pages, problem
from webspaced.lan.settings import FOLLOWS, Settings


class _Health(Resource):
    """204 once the device is there, and 500 before."""

    isLeaf = True

    def __init__(self, is_up: Callable[[], bool]) -> None:
        super().__init__()
        self._is_up = is_up

    def render_GET(self, request: Any) -> bytes:
        """Answer."""
        if self._is_up():
            return answered(request, 204, b"", b"")
        body = problem(500, "Internal Server Error", "the network is not there yet")
        return answered(request, 500, b"application/problem+json", body)


class _Config(Resource):
    """The settings, by the names that kubelan gave them: others read ``.VXLAN.Interface`` there."""

    isLeaf = True

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def render_GET(self, request: Any) -> bytes:
        """Answer."""
        return answered(request, 200, b"application/json", json.dumps(former(self._settings)).encode())


def former(settings: Settings) -> dict[str, Any]:
    """Give what kubelan's ``/config`` said."""
    vxlan = settings.vxlan
    return {
        "LogLevel": settings.log_level,
        "HTTPAddress": str(settings.http_address),
        "IP": str(settings.ip),
        "Namespace": settings.namespace or "",
        "Services": list(settings.services),
        "VXLAN": {
            "Interface": vxlan.interface, "VNI": vxlan.vni, "Port": vxlan.port,
            "MTU": vxlan.mtu if vxlan.mtu > 0 else FOLLOWS,
        },
        "Hooks": {"Up": list(settings.hooks.up), "Change": list(settings.hooks.change)},
    }  # fmt: skip


def pages(
    settings: Settings, is_up: Callable[[], bool], trouble: Callable[[], str | None], figures: Callable[[], bytes]
) -> IResource:
    """Give the root of all pages."""
    root: Any = operators_pages(trouble, figures)
    root.putChild(b"health", _Health(is_up))
    root.putChild(b"config", _Config(settings))
    return root  # type: ignore[no-any-return]


def listener(reactor: Any, settings: Settings, root: IResource) -> Listener:
    """Give what serves them."""
    site = Site(root, reactor=reactor)
    site.displayTracebacks = False
    return Listener(reactor, settings.http_address, site, "health, config, live, ready and metrics")
