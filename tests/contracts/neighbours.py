"""What a real Traefik makes of a webspace beside others' routers, and beside webspaces that have their TLS passed through.

Mixed into a trial test case that has :class:`tests.contracts.route_store.PublishedRoutes`, too.
"""

from __future__ import annotations

from typing import Any

from tests.contracts.instances import contract
from webspaced.core.protocol import Protocol

CHALLENGE = "/.well-known/acme-challenge/evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
HOST, OTHER = "ws-u1.example.org", "ws-u2.example.org"
PASSED = 301, "Moved Permanently"


class PassthroughContract:
    """Beside passthrough there is a little HTTP."""

    misdirected: Any
    """Called with a name and a host: the status for a browser that asks for the host on its connection for the name."""

    @contract
    async def test_who_comes_on_anothers_connection_is_told_so(self: Any) -> None:
        await self.put(self.web(self.secure, passthrough=True), self.web(self.second, "ws-u2"))
        await self.until_certificate(HOST, ours=True)
        await self.until(OTHER, (200, "second"))
        self.assertEqual(await self.misdirected(OTHER, HOST), 421)
        self.assertEqual(await self.misdirected(OTHER, OTHER), 200)
        self.assertEqual(await self.misdirected(OTHER, "ws-u3.example.org"), 404)
        # That makes nothing of the passed host's TLS Traefik's.
        self.assertEqual(await self.certificate(HOST), "secure")

    @contract
    async def test_challenges_arrive_and_all_else_is_sent_to_https(self: Any) -> None:
        await self.put(self.web(self.secure, passthrough=True, challenges=self.second))
        await self.until(HOST, (200, "second"), CHALLENGE)
        await self.until(HOST, PASSED)
        self.assertEqual((await self.visit(HOST, "/.well-known/other"))[0], 301)
        await self.put(self.web(self.secure, passthrough=True, challenges=self.first))
        await self.until(HOST, (200, "first"), CHALLENGE)
        await self.put(self.web(self.second))
        await self.until(HOST, (200, "second"))
        self.assertEqual(await self.visit(HOST, CHALLENGE), (200, "second"))

    @contract
    async def test_a_container_that_ends_its_tls_is_not_judged(self: Any) -> None:
        await self.put(self.web(self.secure, protocol=Protocol.HTTPS))
        await self.until(HOST, (200, "secure"))
        await self.put(self.web(self.first))
        await self.until(HOST, (200, "first"))


class SolverContract:
    """An ACME solver's router beside those of a webspace with many domains."""

    add_solvers: Any
    """Called with hosts: from then on there are routers such as solvers', for a challenge at each, that lead to "second"."""

    @contract
    async def test_its_route_wins_however_many_domains_there_are(self: Any) -> None:
        for count in (1, 3, 20):
            own = [f"shop{n}.customer.example" for n in range(count)]
            await self.put(self.web(self.first, hosts=(HOST, *own)))
            await self.add_solvers([HOST, *own])
            for host in (HOST, *own):
                await self.until(host, (200, "second"), CHALLENGE)
                await self.until(host, (200, "first"))
            # What nobody else answers is the webspace's.
            self.assertEqual(await self.visit(own[-1], f"{CHALLENGE}x"), (200, "first"))
