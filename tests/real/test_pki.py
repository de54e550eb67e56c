"""LXD in PKI mode: whoever the authority has issued a certificate to is trusted, on both sides."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from harness import network
from harness.private_lxd import PrivateLxd, short_name
from tests.authority import Authority
from tests.real.test_https import HttpsCase
from tests.stack import lxd_of_this_run


class PkiCase(HttpsCase):
    """The LXD is one of the test's own: it reads ``server.ca`` when it starts."""

    def lxd(self) -> PrivateLxd:
        lxd_of_this_run()
        self.authority = Authority("the club's authority")
        directory = Path(tempfile.mkdtemp(prefix="webspaced-pki-"))
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        lxd = PrivateLxd(directory, f"wsd{short_name(directory)}", network.free_subnet())
        self.addCleanup(lxd.delete)
        lxd.prepare_directory()
        certificate, key = self.authority.issue("the club's LXD", "127.0.0.1")
        for name, content in {"ca": self.authority.certificate, "crt": certificate, "key": key}.items():
            (directory / f"server.{name}").write_bytes(content)
        lxd.up()
        return lxd

    def prepare(self) -> None:
        super().prepare()
        self.stack.lxd.rest.ask("PATCH", "/1.0", {"config": {"core.trust_ca_certificates": "true"}})

    def trusting(self) -> dict[str, Any]:
        """Know the authority and have a certificate of its, and no password."""
        self.write_client(self.authority)
        return {"ca_file": self.write("ca.crt", self.authority.certificate)}

    def write_client(self, authority: Authority) -> None:
        certificate, key = authority.issue("webspaced")
        self.write("client.crt", certificate)
        self.write("client.key", key)

    def write(self, name: str, content: bytes) -> str:
        path = self.stack.directory / name
        path.write_bytes(content)
        return str(path)


class ServedTests(PkiCase):
    def test_a_certificate_of_the_authority_is_all_it_takes(self) -> None:
        self.check_served()
        self.assertEqual(self.stack.lxd.rest.get("/1.0/certificates"), [])


class RefusedTests(PkiCase):
    starts = False

    def start_with(self, url: str, **tls: Any) -> None:
        self.stack.link = {"url": url, "tls": {**self.stack.link["tls"], **tls}}
        self.stack.write_configuration()
        self.stack.start(wait=False)

    def test_strangers_on_either_side(self) -> None:
        url = self.stack.link["url"]
        other = Authority("somebody else's authority")
        self.start_with(url, ca_file=self.write("other.crt", other.certificate))
        self.check_refused("certificate is not the expected one", "certificate verify failed")
        # The authority's certificate is for an address, not for a name.
        self.start_with(url.replace("127.0.0.1", "localhost"), ca_file=self.write("ca.crt", self.authority.certificate))
        self.check_refused("not for the host that lxd.url names")
        # The other way round: LXD has not heard of the authority that issued ours.
        self.write_client(other)
        self.start_with(url)
        self.check_refused("client certificate")
