"""What every :class:`webspaced.interfaces.IRouteStore` does: run on each in the fast tier, and again before a real Traefik.

The tests are coroutines; a subclass says how they are run, how a store is made anew over what the last one left, and what
Traefik has of it.
"""

from __future__ import annotations

import ssl
from collections.abc import Coroutine, Mapping
from ipaddress import ip_address
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from tests.certificates import Issued, issue
from tests.contracts.instances import contract
from webspaced.core.address import Endpoint
from webspaced.core.protocol import Protocol
from webspaced.core.routes import Route, ServedCertificate
from webspaced.interfaces import IRouteStore
from webspaced.reconcile.publisher import Publisher

BOOT = Endpoint(ip_address("10.203.0.1"), 20001)
DIRECT = Endpoint(ip_address("10.7.0.10"), 80)
SIX = Endpoint(ip_address("fd00::10"), 8080)


def route(name: str = "ws-u1", backend: Endpoint = BOOT, **more: Any) -> Route:
    return Route(**{"name": name, "hosts": (f"{name}.example.org",), "backend": backend, **more})


def own(*hosts: str, text: str = "old") -> ServedCertificate:
    return ServedCertificate(hosts=hosts, chain=f"chain {text}", key=f"key {text}")


class RouteStoreContract:
    """Mixed into a trial test case that sets ``store``, new and loaded."""

    store: IRouteStore
    assertEqual: Any

    def drive(self, test: Coroutine[Any, Any, None]) -> Any:
        """Run a coroutine as a test."""
        raise NotImplementedError

    def renew(self) -> IRouteStore:
        """Give a new store, not loaded yet, in the place of the old one, which is never used again."""
        raise NotImplementedError

    def has(self) -> Mapping[str, Route] | None:
        """Let Traefik look, and give the routes that it has now; ``None`` if it has never got any."""
        raise NotImplementedError

    # --- helpers

    async def put(self, *routes: Route, remove: tuple[str, ...] = ()) -> None:
        await self.store.apply({each.name: each for each in routes}, remove)

    async def restarted(self) -> Mapping[str, Route]:
        self.store = self.renew()
        return await self.store.load()

    # --- the tests

    @contract
    async def test_it_begins_with_nothing(self) -> None:
        self.assertEqual((await self.store.load(), self.has()), ({}, None))

    @contract
    async def test_nothing_can_be_published_too(self) -> None:
        await self.put()
        self.assertEqual(self.has(), {})

    @contract
    async def test_routes_of_every_kind(self) -> None:
        routes = (
            route(),
            route("ws-u2", DIRECT, hosts=("ws-u2.example.org", "bob.example.net", "xn--bcher-kva.example")),
            route("ws-u3", SIX),
            route("ws-u4", DIRECT, passthrough=True, hosts=("ws-u4.example.org", "dave.example.net")),
            route("ws-u5", SIX, passthrough=True, challenges=BOOT),
            route("ws-u6", DIRECT, protocol=Protocol.H2C),
            route("ws-u7", SIX, protocol=Protocol.HTTPS),
            route("ws-u8", SIX, hosts=("ws-u8.example.org", "a.example", "b.example"), certificates=(own("b.example"),)),
        )
        await self.put(*routes)
        self.assertEqual(self.has(), {each.name: each for each in routes})

    @contract
    async def test_a_change_replaces_and_leaves_the_rest(self) -> None:
        await self.put(route("ws-u1"), route("ws-u2"))
        self.has()
        await self.put(route("ws-u1", DIRECT))
        self.assertEqual(self.has(), {"ws-u1": route("ws-u1", DIRECT), "ws-u2": route("ws-u2")})
        for passed in (
            route("ws-u1", DIRECT, passthrough=True, challenges=BOOT),
            route("ws-u1", DIRECT, passthrough=True, challenges=SIX),
            route("ws-u1", DIRECT, passthrough=True),
        ):
            await self.put(passed)
            self.assertEqual(self.has(), {"ws-u1": passed, "ws-u2": route("ws-u2")})
        await self.put(route("ws-u1", protocol=Protocol.H2C))
        self.assertEqual(self.has(), {"ws-u1": route("ws-u1", protocol=Protocol.H2C), "ws-u2": route("ws-u2")})
        await self.put(route("ws-u1"))
        self.assertEqual(self.has(), {"ws-u1": route("ws-u1"), "ws-u2": route("ws-u2")})

    @contract
    async def test_certificates_come_change_and_go(self) -> None:
        hosts = ("ws-u1.example.org", "a.example", "b.example")
        other = route("ws-u2", hosts=("ws-u2.example.org", "c.example"), certificates=(own("c.example"),))
        await self.put(other)
        for certificates in (
            (own("b.example"),), (own("b.example", text="new"),), (own("a.example"), own("b.example", text="new")),
            (own("a.example", "b.example"),), (own("a.example"),), (),
        ):  # fmt: skip
            wanted = route(hosts=hosts, certificates=certificates)
            await self.put(wanted)
            self.assertEqual(self.has(), {"ws-u1": wanted, "ws-u2": other})
            self.assertEqual(await self.restarted(), {"ws-u1": wanted, "ws-u2": other})
            await self.put()
            self.assertEqual(self.has(), {"ws-u1": wanted, "ws-u2": other})
        await self.put(remove=("ws-u2",))
        self.assertEqual(self.has(), {"ws-u1": route(hosts=hosts)})

    @contract
    async def test_one_apply_is_one_change(self) -> None:
        await self.put(route("ws-u1"), route("ws-u2"))
        self.has()
        await self.put(route("ws-u2", DIRECT), route("ws-u3"), remove=("ws-u1",))
        self.assertEqual(self.has(), {"ws-u2": route("ws-u2", DIRECT), "ws-u3": route("ws-u3")})

    @contract
    async def test_the_last_one_can_be_removed(self) -> None:
        await self.put(route())
        self.has()
        await self.put(remove=("ws-u1",))
        self.assertEqual(self.has(), {})

    @contract
    async def test_the_same_again_changes_nothing(self) -> None:
        for _ in range(2):
            await self.put(route(), remove=("ws-u9",))
            self.assertEqual(self.has(), {"ws-u1": route()})

    @contract
    async def test_a_new_one_begins_with_what_traefik_has(self) -> None:
        routes = {"ws-u1": route(), "ws-u2": route("ws-u2", DIRECT, passthrough=True)}
        await self.put(*routes.values())
        self.has()
        self.assertEqual(await self.restarted(), routes)
        await self.put()
        self.assertEqual(self.has(), routes)
        await self.put(remove=("ws-u1",))
        self.has()
        self.assertEqual(list(await self.restarted()), ["ws-u2"])

    @contract
    async def test_until_a_new_one_publishes_traefik_keeps_what_it_has(self) -> None:
        await self.put(route())
        self.has()
        await self.restarted()
        self.assertEqual(self.has(), {"ws-u1": route()})
        await self.restarted()
        self.assertEqual(self.has(), {"ws-u1": route()})

    @contract
    async def test_many(self) -> None:
        routes = [route(f"ws-u{n}", Endpoint(ip_address("10.7.0.0") + n, 80), passthrough=n % 3 == 0) for n in range(1, 300)]
        await self.put(*routes)
        self.assertEqual(self.has(), {each.name: each for each in routes})


class PublishedRoutes:
    """A real Traefik before a store. Mixed into a trial test case whose ``store`` is loaded and read by a Traefik."""

    store: IRouteStore
    first: Endpoint
    second: Endpoint
    secure: Endpoint
    """Where web servers listen that answer with "first" and "second", and one that ends TLS as "secure"."""
    assertEqual: Any
    assertLessEqual: Any

    def drive(self, test: Coroutine[Any, Any, None]) -> Any:
        """Run a coroutine as a test."""
        raise NotImplementedError

    def sleep(self, seconds: float) -> Any:
        """Let time go by."""
        raise NotImplementedError

    async def visit(self, host: str, path: str = "/") -> tuple[int, str]:
        """Give status and body of a host's page."""
        raise NotImplementedError

    async def certificate(self, host: str) -> str:
        """Give the name on the certificate that a host shows."""
        raise NotImplementedError

    async def go_away(self) -> None:
        """End the store's owner: nothing of it can be reached any more."""
        raise NotImplementedError

    async def come_back(self) -> None:
        """Have a new store over what the old one left, loaded and reachable; nothing is published yet."""
        raise NotImplementedError

    async def restart_traefik(self) -> None:
        """End Traefik, and have a new one that accepts connections."""
        raise NotImplementedError

    # --- helpers

    async def put(self, *routes: Route, remove: tuple[str, ...] = ()) -> None:
        await self.store.apply({each.name: each for each in routes}, remove)

    async def until(self, host: str, seen: tuple[int, str], path: str = "/") -> None:
        found = None
        for _ in range(9000):
            found = await self.visit(host, path)
            if found == seen:
                return
            await self.sleep(0.02)
        self.assertEqual(found, seen, host)

    async def until_certificate(self, host: str, *, ours: bool) -> None:
        found = ""
        for _ in range(9000):
            try:
                found = await self.certificate(host)
            except ssl.SSLError:
                # A route that is new may be there a moment before its backend: Traefik hangs up then.
                found = ""
            if found and (found == "secure") is ours:
                return
            await self.sleep(0.02)
        self.assertEqual(found, "secure" if ours else "Traefik's", host)

    async def until_shown(self, host: str, certificate: Issued | None) -> None:
        """Wait until a host shows this certificate, or Traefik's own."""
        wanted = certificate.common_name if certificate else "TRAEFIK DEFAULT CERT"
        found = ""
        for _ in range(9000):
            found = await self.certificate(host)
            if found == wanted:
                return
            await self.sleep(0.02)
        self.assertEqual(found, wanted, host)

    def web(self, backend: Endpoint, name: str = "ws-u1", **more: Any) -> Route:
        return route(name, backend, **more)


def shown(*hosts: str, by: Issued) -> ServedCertificate:
    return ServedCertificate(hosts=hosts, chain=by.pem, key=by.key)


class PublishedRoutesContract(PublishedRoutes):
    """What it makes of routes and their changes."""

    @contract
    async def test_a_route_and_its_flips(self) -> None:
        host = "ws-u1.example.org"
        self.assertEqual((await self.visit(host))[0], 404)
        for backend, says in ((self.first, "first"), (self.second, "second"), (self.first, "first")):
            await self.put(self.web(backend))
            await self.until(host, (200, says))

    @contract
    async def test_domains_of_ones_own(self) -> None:
        hosts = ("ws-u1.example.org", "www.example.net", "xn--bcher-kva.example")
        await self.put(self.web(self.first, hosts=hosts), self.web(self.second, "ws-u2"))
        for host in hosts:
            await self.until(host, (200, "first"))
        await self.until("ws-u2.example.org", (200, "second"))
        self.assertEqual((await self.visit("example.net"))[0], 404)
        await self.put(self.web(self.first, hosts=hosts[:1]))
        await self.until("www.example.net", (404, "404 page not found\n"))
        self.assertEqual(await self.visit(hosts[0]), (200, "first"))

    @contract
    async def test_passthrough_and_back(self) -> None:
        host = "ws-u1.example.org"
        await self.put(self.web(self.first))
        await self.until(host, (200, "first"))
        await self.until_certificate(host, ours=False)
        await self.put(self.web(self.secure, passthrough=True))
        await self.until_certificate(host, ours=True)
        # Plain HTTP is sent to HTTPS.
        self.assertEqual((await self.visit(host))[0], 301)
        await self.put(self.web(self.second))
        await self.until_certificate(host, ours=False)
        await self.until(host, (200, "second"))

    @contract
    async def test_certificates_of_members_own(self) -> None:
        hosts = ("ws-u1.example.org", "www.example.net", "example.net", "b.example")
        old, new = (issue("www.example.net", "example.net", common_name=name) for name in ("old", "new"))
        one, other = issue("b.example", common_name="one"), issue("ws-u2.example.net", common_name="other")
        neighbour = self.web(
            self.second, "ws-u2", hosts=("ws-u2.example.org", "ws-u2.example.net"),
            certificates=(shown("ws-u2.example.net", by=other),),
        )  # fmt: skip
        await self.put(self.web(self.first, hosts=hosts), neighbour)
        await self.until_shown("ws-u2.example.net", other)
        for certificates, on_www, on_b in (
            ((), None, None),
            ((shown("example.net", "www.example.net", by=old),), old, None),
            ((shown("b.example", by=one), shown("example.net", "www.example.net", by=new)), new, one),
            ((shown("b.example", by=one),), None, one),
            # What Traefik cannot read harms nobody else.
            ((shown("b.example", by=one), ServedCertificate(hosts=("www.example.net",), chain="x", key="x")), None, one),
            ((), None, None),
        ):
            await self.put(self.web(self.first, hosts=hosts, certificates=certificates))
            await self.until_shown("www.example.net", on_www)
            await self.until_shown("example.net", on_www)
            await self.until_shown("b.example", on_b)
            await self.until_shown("ws-u1.example.org", None)
            await self.until_shown("ws-u2.example.net", other)
            # They are served, whatever they show.
            await self.until("b.example", (200, "first"))
        await self.put(remove=("ws-u1", "ws-u2"))
        await self.until_shown("ws-u2.example.net", None)

    @contract
    async def test_deletion_down_to_the_last(self) -> None:
        await self.put(self.web(self.first), self.web(self.second, "ws-u2"))
        await self.until("ws-u2.example.org", (200, "second"))
        await self.put(remove=("ws-u2",))
        await self.until("ws-u2.example.org", (404, "404 page not found\n"))
        self.assertEqual(await self.visit("ws-u1.example.org"), (200, "first"))
        await self.put(remove=("ws-u1",))
        await self.until("ws-u1.example.org", (404, "404 page not found\n"))

    @contract
    async def test_a_restart_of_the_owner_fails_no_request(self) -> None:
        host = "ws-u1.example.org"
        await self.put(self.web(self.first))
        await self.until(host, (200, "first"))
        seen: list[tuple[int, str]] = []
        self.is_over = False

        async def visit_on() -> None:
            while not self.is_over:
                seen.append(await self.visit(host))

        visitors = [Deferred.fromCoroutine(visit_on()) for _ in range(3)]
        await self.go_away()
        await self.sleep(1.0)
        await self.come_back()
        self.assertEqual(await self.store.load(), {"ws-u1": self.web(self.first)})
        await self.sleep(1.0)
        self.assertEqual(set(seen), {(200, "first")})
        await self.put(self.web(self.second))
        await self.until(host, (200, "second"))
        self.is_over = True
        await gatherResults(visitors)
        # The last of theirs may all have come before the change.
        self.assertLessEqual(set(seen), {(200, "first"), (200, "second")})

    @contract
    async def test_a_restart_of_traefik(self) -> None:
        await self.put(self.web(self.first), self.web(self.secure, "ws-u2", passthrough=True))
        await self.until("ws-u1.example.org", (200, "first"))
        await self.restart_traefik()
        await self.until("ws-u1.example.org", (200, "first"))
        await self.until_certificate("ws-u2.example.org", ours=True)
        await self.put(self.web(self.second))
        await self.until("ws-u1.example.org", (200, "second"))


class RestartedStoreContract:
    """Beside :class:`PublishedRoutesContract`, for stores whose routes lie with a server that can go away."""

    async def stop_server(self) -> None:
        """End the server, as a crash does."""
        raise NotImplementedError

    async def start_server(self) -> None:
        """Start it again, with whatever it still has."""
        raise NotImplementedError

    async def publisher(self) -> Publisher:
        """Give one that publishes through ``store``, loaded and open."""
        raise NotImplementedError

    @contract
    async def test_a_restart_of_the_server(self: Any) -> None:
        publisher = await self.publisher()
        for each in (self.web(self.first), self.web(self.second, "ws-u2"), self.web(self.second, "ws-u3")):
            publisher.want(each.name, each)
        await self.until("ws-u3.example.org", (200, "second"))
        await self.until("ws-u1.example.org", (200, "first"))
        await self.stop_server()
        # Nobody who is served notices, and what is wanted meanwhile comes once it can.
        self.assertEqual(await self.visit("ws-u1.example.org"), (200, "first"))
        publisher.want("ws-u1", self.web(self.second))
        publisher.want("ws-u3", None)
        publisher.want("ws-u4", self.web(self.first, "ws-u4"))
        await self.sleep(1.0)
        self.assertEqual(await self.visit("ws-u2.example.org"), (200, "second"))
        await self.start_server()
        await self.until("ws-u1.example.org", (200, "second"))
        await self.until("ws-u4.example.org", (200, "first"))
        await self.until("ws-u3.example.org", (404, "404 page not found\n"))
        self.assertEqual(await self.visit("ws-u2.example.org"), (200, "second"))
        publisher.want("ws-u2", self.web(self.first, "ws-u2"))
        await self.until("ws-u2.example.org", (200, "first"))
