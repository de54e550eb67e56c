"""An iamd in memory behind the real client."""

from __future__ import annotations

from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.internet.defer import Deferred, fail
from twisted.web.iweb import IAgent, IResponse
from zope.interface import implementer

from tests.contracts.identity import MEMBERS
from tests.unit.timing import Time
from webspaced.iam.client import IamdClient
from webspaced.iam.iamd import IamdIdentity
from webspaced.testing.iamd import Iamd

EPOCH = 1_000_000.0
OWN = 1000
BASE = "https://iam.example.org/v1"


@implementer(IAgent)
class MemoryAgent:
    """Connects to an iamd in memory; ``failures`` are how the next connections end. ``sent`` has each request's headers."""

    def __init__(self, iamd: Iamd) -> None:
        self.failures: list[Exception] = []
        self.sent: list[tuple[str, dict[str, list[str]]]] = []
        self._agent = RequestTraversalAgent(iamd.resource())

    def request(self, method: bytes, uri: bytes, headers: Any = None, bodyProducer: Any = None) -> Deferred[IResponse]:
        fields = {name.decode().lower(): [v.decode() for v in values] for name, values in headers.getAllRawHeaders()}
        self.sent.append((f"{method.decode()} {uri.decode()}", fields))
        if self.failures:
            return fail(self.failures.pop(0))
        answering = self._agent.request(method, uri, headers, bodyProducer)
        self._agent.flush()
        return answering

    def flush(self) -> None:
        """Let what was written arrive."""
        self._agent.flush()


class Service:
    """An iamd with the contract's members and webspaced's own admin account, and a webspaced that asks it."""

    def __init__(self, *, own_token: bool = True) -> None:
        self.clock = Time()
        self.clock.advance(EPOCH)
        self.iamd = Iamd(now=self.clock.seconds)
        for member in MEMBERS:
            self.iamd.add(member["id"], **{key: value for key, value in member.items() if key != "id"})
        self.iamd.add(OWN, "webspaced", is_admin=True)
        self.agent = MemoryAgent(self.iamd)
        self.own = self.iamd.token(OWN, lifetime=1e9)
        self.client = IamdClient(self.agent, self.clock, BASE)
        self.identity = IamdIdentity(self.client, self.clock, self.own if own_token else None, self.clock.seconds)

    def asked(self) -> list[str]:
        """Give the paths that were asked for since the last time."""
        paths = [path.removeprefix("/v1") for _, path in self.iamd.asked]
        self.iamd.asked.clear()
        return paths
