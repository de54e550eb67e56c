"""LXD over HTTPS: who trusts whom, and how that comes about."""

from __future__ import annotations

import base64
import datetime as dt
import ssl
from typing import Any, ClassVar

from harness.flavour import LXD
from tests.alone import alone_with
from tests.stack import StackCase, free_port, wait_until
from webspaced.lxd.certificate import make_certificate

PASSWORD = "correct horse"


class HttpsCase(StackCase):
    """``tls`` is the stack's ``lxd.tls``, beside the client's certificate, which is a new one for each test."""

    tls: ClassVar[dict[str, Any]] = {}

    def prepare(self) -> None:
        self.enterContext(alone_with(self.stack.lxd.directory, "trust"))
        rest = self.stack.lxd.rest
        self.address = f"127.0.0.1:{free_port()}"
        config = {"core.https_address": self.address, **({"core.trust_password": PASSWORD} if self.has_password else {})}
        rest.ask("PATCH", "/1.0", {"config": config})
        self.addCleanup(rest.ask, "PATCH", "/1.0", {"config": dict.fromkeys(config, "")})
        self.certificate, key = make_certificate("test", dt.datetime.now(dt.UTC))
        files = {"client.crt": self.certificate, "client.key": key}
        for name, content in files.items():
            (self.stack.directory / name).write_bytes(content)
        self.addCleanup(self.distrust)
        client = {
            "client_cert_file": str(self.stack.directory / "client.crt"),
            "client_key_file": str(self.stack.directory / "client.key"),
        }
        self.stack.link = {"url": f"https://{self.address}", "tls": {**client, **self.trusting()}}

    def trusting(self) -> dict[str, Any]:
        """Trust the server's very certificate, and have its password, or a token of one that knows no passwords."""
        secret = PASSWORD if self.has_password else self.token()
        return {"server_cert_file": str(self.stack.lxd.directory / "server.crt"), "trust_password": secret, **self.tls}

    @property
    def has_password(self) -> bool:
        return self.stack.lxd.flavour is LXD

    def token(self) -> str:
        name = ("--name", "webspaced") if self.has_password else ("webspaced",)
        return self.stack.lxd.lxc("config", "trust", "add", *name).split()[-1]

    def distrust(self) -> None:
        rest = self.stack.lxd.rest
        for url in rest.get("/1.0/certificates"):
            rest.ask("DELETE", url)

    def trust(self, **how: Any) -> None:
        der = ssl.PEM_cert_to_DER_cert(self.certificate.decode())
        body = {"type": "client", "name": "test", "certificate": base64.b64encode(der).decode(), **how}
        self.stack.lxd.rest.ask("POST", "/1.0/certificates", body)

    def check_served(self) -> None:
        """A webspace's whole day: created, visited, stopped behind our back (an event tells), visited again."""
        self.stack.create()
        self.assertEqual(self.stack.visit().body.strip(), b"ws-u1")
        wait_until("the route is direct", self.stack.is_direct)
        self.stack.put_state("stop", force=True)
        wait_until("the event has been heard", self.stack.leads_to_itself)
        wait_until("it is woken again", lambda: self.stack.visit().body.strip() == b"ws-u1")
        self.assertNotIn(PASSWORD, self.stack.log())

    def check_refused(self, *words: str) -> None:
        """The daemon ends by itself, and says why."""
        status = self.stack.wait_for_end()
        self.assertEqual(status, 1)
        for word in words:
            self.assertIn(word, self.stack.log())

    def _no_mishap(self) -> None:
        mishaps = [line for line in self.stack.mishaps() if "cannot start" not in line]
        self.assertEqual(mishaps, [])


class PinnedTests(HttpsCase):
    def test_the_password_makes_it_trusted_at_first_contact(self) -> None:
        self.check_served()
        self.stack.stop()
        # From now on nothing but the certificate is needed.
        tls = {name: value for name, value in self.stack.link["tls"].items() if name != "trust_password"}
        self.stack.link = {**self.stack.link, "tls": tls}
        self.stack.write_configuration()
        self.stack.start()
        self.assertEqual(self.stack.visit().status, 200)


class TokenTests(HttpsCase):
    def trusting(self) -> dict[str, Any]:
        return {**super().trusting(), "trust_password": self.token()}

    def test_a_token_does_what_a_password_does(self) -> None:
        self.check_served()


class RestrictedTests(HttpsCase):
    def prepare(self) -> None:
        super().prepare()
        self.trust(restricted=True, projects=[self.stack.project])

    def trusting(self) -> dict[str, Any]:
        return {name: value for name, value in super().trusting().items() if name != "trust_password"}

    def test_a_certificate_that_sees_one_project_is_enough(self) -> None:
        self.check_served()


class InsecureTests(HttpsCase):
    tls = {"allow_insecure": True}  # noqa: RUF012

    def trusting(self) -> dict[str, Any]:
        return {name: value for name, value in super().trusting().items() if not name.startswith("server_cert")}

    def test_it_works_and_warns(self) -> None:
        self.check_served()
        self.assertIn("NOT verified", self.stack.log())


class RefusedTests(HttpsCase):
    starts = False

    def test_another_certificate_than_the_pinned_one(self) -> None:
        other, _ = make_certificate("other", dt.datetime.now(dt.UTC))
        (self.stack.directory / "other.crt").write_bytes(other)
        tls = {**self.stack.link["tls"], "server_cert_file": str(self.stack.directory / "other.crt")}
        self.start_with(tls)
        self.check_refused("certificate is not the expected one", "lxd.tls.server_cert")
        # Whoever is there has heard nothing of ours.
        self.assertEqual(self.stack.lxd.rest.get("/1.0/certificates"), [])

    def test_a_server_that_nobody_vouches_for(self) -> None:
        tls = {name: value for name, value in self.stack.link["tls"].items() if not name.startswith("server_cert")}
        self.start_with(tls)
        self.check_refused("certificate is not the expected one")

    def test_a_wrong_password(self) -> None:
        self.start_with({**self.stack.link["tls"], "trust_password": "wrong"})
        self.check_refused("does not accept lxd.tls.trust_password")

    def test_a_stranger_is_told_what_to_do(self) -> None:
        self.start_with({name: value for name, value in self.stack.link["tls"].items() if name != "trust_password"})
        self.check_refused("lxc config trust add")

    def start_with(self, tls: dict[str, Any]) -> None:
        self.stack.link = {**self.stack.link, "tls": tls}
        self.stack.write_configuration()
        self.stack.start(wait=False)
