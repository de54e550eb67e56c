"""Certificates that Traefik gets by itself for what each provider publishes, from a real ACME server."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import ssl
import stat
import subprocess
from pathlib import Path
from typing import Any

from attrs import evolve
from cryptography import x509
from twisted.trial.unittest import TestCase

from tests.authority import Authority
from tests.certificates import issue
from tests.contracts.route_store import route
from tests.real.redis import program
from tests.real.test_redis import OnRedis
from tests.real.test_route_stores import ENTRY_POINTS, OnFile, OnHttp
from tests.stack import free_ports, wait_until
from webspaced.core.routes import ServedCertificate
from webspaced.traefik.embedded import Acme

OWN, DEFAULT = "www.example.net", "ws-u1.example.org"


class Pebble:
    """An ACME server, and a DNS server by which all names are on this machine. Everything here blocks."""

    def __init__(self, directory: Path, http_port: int, https_port: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        authority = Authority("of pebble's own certificate")
        self.ca = authority.certificate.decode()
        for name, content in zip(("crt", "key"), authority.issue("pebble", "127.0.0.1"), strict=True):
            (directory / f"pebble.{name}").write_bytes(content)
        self._port, self._dns, management, other = free_ports(4)
        self.url = f"https://127.0.0.1:{self._port}/dir"
        settings = {
            "listenAddress": f"127.0.0.1:{self._port}",
            "managementListenAddress": f"127.0.0.1:{management}",
            "certificate": str(directory / "pebble.crt"),
            "privateKey": str(directory / "pebble.key"),
            "httpPort": http_port,
            "tlsPort": https_port,
        }
        (directory / "pebble.json").write_text(json.dumps({"pebble": settings}))
        self._names = (
            program("pebble-challtestsrv"), "-dns01", f"127.0.0.1:{self._dns}", "-management", f"127.0.0.1:{other}",
            "-http01", "", "-https01", "", "-tlsalpn01", "", "-defaultIPv6", "",
        )  # fmt: skip
        self._server = (
            program("pebble"), "-config", str(directory / "pebble.json"), "-dnsserver", f"127.0.0.1:{self._dns}",
        )  # fmt: skip
        self._log = directory / "log"
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start both, and wait until certificates can be had."""
        # By default it keeps clients waiting, refuses one request in twenty to see whether they try again, and believes
        # every second time what was proved before.
        tuned = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"}
        environment = {**os.environ, **tuned}
        with self._log.open("ab") as log:
            self._processes = [
                subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
                for command in (self._names, self._server)
            ]
        wait_until("the ACME server answers", self._answers)

    def _answers(self) -> bool:
        assert all(process.poll() is None for process in self._processes), self._log.read_text()
        context = ssl.create_default_context(cadata=self.ca)
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, context=context, timeout=10)
        try:
            connection.request("GET", "/dir")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def stop(self) -> None:
        """End both."""
        for process in self._processes:
            process.send_signal(signal.SIGKILL)
            process.wait()


class AcmeContract:
    """Mixed into a test case with a Traefik."""

    entry_points = evolve(ENTRY_POINTS, domain="example.org", resolver="default", each=True)
    by_http = False
    on_default = frozenset((DEFAULT,))
    """The names on the certificate of the default domain."""
    assertEqual: Any

    def authority(self: Any) -> Acme:
        pebble = Pebble(self.directory / "pebble", self.http.port, self.https.port)
        self.addCleanup(pebble.stop)
        pebble.start()
        return Acme(email="admin@example.org", server=pebble.url, ca=pebble.ca, by_http=self.by_http)

    async def put(self: Any, *routes: Any) -> None:
        await self.store.apply({each.name: each for each in routes}, ())

    async def issued(self: Any, host: str) -> x509.Certificate:
        """Wait until a host shows a certificate of the ACME server, and give it; the test's time limit ends a hang."""
        while "Pebble" not in (shown := await self.shown(host)).issuer.rfc4514_string():
            await self.sleep(0.05)
        return shown

    def names(self, certificate: x509.Certificate) -> set[str]:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return set(extension.value.get_values_for_type(x509.DNSName))

    def kept(self: Any) -> set[frozenset[str]]:
        """Give the names of each certificate that Traefik has got."""
        path = self.directory / "acme.json"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        found = json.loads(path.read_text()).get("default", {}).get("Certificates") or []
        return {frozenset((each["domain"]["main"], *each["domain"].get("sans", ()))) for each in found}

    async def until_kept(self: Any, wanted: set[frozenset[str]]) -> None:
        """Wait until Traefik has written down just these, which it does after it shows them, and not in one step."""
        kept: set[frozenset[str]] | None = None
        while kept != wanted:
            await self.sleep(0.05)
            with contextlib.suppress(ValueError):
                kept = self.kept()

    async def test_certificates(self: Any) -> None:
        await self.put(
            route("ws-u1", self.first, hosts=(DEFAULT, OWN, "xn--bcher-kva.example")),
            route("ws-u2", self.secure, hosts=("ws-u2.example.org", "pass.example.net"), passthrough=True),
        )
        for host in (DEFAULT, OWN, "xn--bcher-kva.example"):
            self.assertEqual(self.names(await self.issued(host)), {host})
        # Who has the TLS of its own gets none.
        self.assertEqual(await self.certificate("pass.example.net"), "secure")
        await self.until_kept({frozenset((host,)) for host in (DEFAULT, OWN, "xn--bcher-kva.example")})
        # Neither a flip nor a restart asks for another.
        before = (await self.shown(OWN)).serial_number
        await self.put(route("ws-u1", self.second, hosts=(DEFAULT, OWN)))
        while (await self.visit(OWN)) != (200, "second"):
            await self.sleep(0.02)
        await self.restart_traefik()
        self.assertEqual((await self.issued(OWN)).serial_number, before)


    async def test_a_members_own_certificate_comes_before(self: Any) -> None:
        brought, hosts = issue(OWN), (DEFAULT, OWN, "xn--bcher-kva.example")
        own = (ServedCertificate(hosts=(OWN,), chain=brought.pem, key=brought.key),)
        # Brought at once: nobody asks for another one.
        await self.put(route("ws-u1", self.first, hosts=hosts, certificates=own))
        others = {self.on_default, frozenset(("xn--bcher-kva.example",))}
        for host in (DEFAULT, "xn--bcher-kva.example"):
            self.assertIn(frozenset(self.names(await self.issued(host))), others)
        self.assertEqual((await self.shown(OWN)).serial_number, brought.certificate.serial_number)
        await self.until_kept(others)
        # Taken away: there is an automatic one.
        await self.put(route("ws-u1", self.first, hosts=hosts))
        await self.issued(OWN)
        await self.until_kept(others | {frozenset((OWN,))})
        # Brought again: Traefik has two, and shows either, until it is started anew.
        await self.put(route("ws-u1", self.first, hosts=hosts, certificates=own))
        self.brought = {OWN}
        await self.restart_traefik()
        for _ in range(30):
            self.assertEqual((await self.shown(OWN)).serial_number, brought.certificate.serial_number)
        self.assertEqual(self.names(await self.issued(DEFAULT)), self.on_default)
        await self.until_kept(others)


class FileTests(AcmeContract, OnFile, TestCase):
    """Tested by TLS-ALPN-01 (RFC 8737)."""


class HttpTests(AcmeContract, OnHttp, TestCase):
    """Tested by HTTP-01 (RFC 8555 section 8.3)."""

    by_http = True


class RedisTests(AcmeContract, OnRedis, TestCase):
    """Tested by TLS-ALPN-01."""


class SharedTests(AcmeContract, OnFile, TestCase):
    """The default domains share one certificate."""

    on_default = frozenset((DEFAULT, "ws-u2.example.org"))
    entry_points = evolve(
        AcmeContract.entry_points, default_sans=("ws-u1.example.org", "ws-u2.example.org"), each=False
    )

    async def test_certificates(self) -> None:
        await self.put(route("ws-u1", self.first, hosts=(DEFAULT, OWN)), route("ws-u2", self.second))
        shared = await self.issued(DEFAULT)
        self.assertEqual(self.names(shared), {DEFAULT, "ws-u2.example.org"})
        self.assertEqual((await self.issued("ws-u2.example.org")).serial_number, shared.serial_number)
        self.assertEqual(self.names(await self.issued(OWN)), {OWN})
        await self.until_kept({frozenset((DEFAULT, "ws-u2.example.org")), frozenset((OWN,))})
