"""Who has which address on a network that LXD does not manage, as the operator's DHCP server says."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from treq.client import HTTPClient
from twisted.web.client import Agent, HTTPConnectionPool
from zope.interface import implementer

from webspaced.core.lease_file import read_lease_file, read_lease_list
from webspaced.core.ownership import Lease
from webspaced.errors import Invalid, RemoteError, Unavailable
from webspaced.interfaces import ILeases
from webspaced.lib.deferreds import bounded
from webspaced.lib.webclient import UNREACHABLE, BodyTooLarge, read_body, reason

LARGEST = 16 * 1024 * 1024
"""Bytes: some hundred thousand leases."""
TIMEOUT = 10.0
OK = 200


@implementer(ILeases)
class LeaseFile:
    """dnsmasq's lease file. It is rewritten in place, so that a half line may be seen: it counts with the next look."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        """:param now: gives seconds since the epoch, which leases end by."""
        self._path = path
        self._now = now

    async def leases(self) -> Sequence[Lease]:
        try:
            with self._path.open(encoding="utf-8", errors="replace") as file:
                return read_lease_file(file.read(LARGEST), self._now())
        except OSError as error:
            message = f"the lease file {self._path} (webspaces.leases) cannot be read: {error.strerror}"
            raise Unavailable(message) from error


@implementer(ILeases)
class LeaseUrl:
    """A URL that gives the same as JSON."""

    def __init__(self, reactor: Any, url: str, agent: Any = None, now: Callable[[], float] = time.time) -> None:
        agent = agent or Agent(reactor, connectTimeout=TIMEOUT, pool=HTTPConnectionPool(reactor))
        self._http = HTTPClient(agent)
        self._reactor = reactor
        self._url = url
        self._now = now

    async def leases(self) -> Sequence[Lease]:
        try:
            body = await bounded(self._reactor, TIMEOUT, self._fetch(), "the answer of webspaces.leases")
        except UNREACHABLE as error:
            message = f"webspaces.leases cannot be reached: {reason(error)}"
            raise Unavailable(message) from error
        try:
            return read_lease_list(body, self._now())
        except Invalid as error:
            message = f"webspaces.leases: {error}"
            raise RemoteError(message, 0) from error

    async def _fetch(self) -> bytes:
        response = await self._http.request("GET", self._url, unbuffered=True, reactor=self._reactor)
        try:
            body = await read_body(response.original, LARGEST)
        except BodyTooLarge as error:
            message = f"webspaces.leases gives {error}"
            raise RemoteError(message, response.code) from error
        if response.code != OK:
            message = f"webspaces.leases answered {response.code}"
            raise RemoteError(message, response.code)
        return body


def leases_from(reactor: Any, source: str) -> ILeases:
    """Give what reads a path or URL."""
    found: ILeases = LeaseUrl(reactor, source) if "://" in source else LeaseFile(Path(source))
    return found
