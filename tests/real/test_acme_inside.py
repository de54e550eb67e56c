"""A webspace that has its TLS passed through gets a certificate by ACME, and renews it while it sleeps.

The client is certbot's library (https://acme-python.readthedocs.io); the web servers are in this process, and the container
relays to them.
"""

from __future__ import annotations

import hashlib
import http.server
import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import josepy
from acme import challenges, client, crypto_util, messages
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from twisted.internet.ssl import KeyPair

from tests.real.relayed_inside import configure, gateway_of, relay_inside, sleeps
from tests.real.test_acme import Pebble
from tests.stack import StackCase, exchange
from tests.visitors import PATIENCE
from webspaced.webspaces.patience import STOP_WINDOW

HOST = "alice.example.test"
IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")
"""acmeIdentifier (RFC 8737 section 3)."""


class Inside:
    """What runs in the webspace: answers to challenges at port 80, TLS at 443."""

    def __init__(self, address: str, directory: Path) -> None:
        self.answers: dict[str, bytes] = {}
        self._file = directory / "inside.pem"
        self.web = http.server.ThreadingHTTPServer((address, 0), self._handler())
        threading.Thread(target=self.web.serve_forever, daemon=True).start()
        self._socket = socket.create_server((address, 0))
        self.tls_port = self._socket.getsockname()[1]
        self._context: ssl.SSLContext | None = None
        pair = KeyPair.generate(size=2048).selfSignedCert(1, commonName="of its own")
        self.show(pair.dump(1), pair.privateKey.dump(1))
        threading.Thread(target=self._serve, daemon=True).start()

    def _handler(self) -> Any:
        answers = self.answers

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                found = answers.get(self.path)
                self.send_response(200 if found else 404)
                self.end_headers()
                self.wfile.write(found or b"")

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def show(self, chain: bytes, key: bytes, *protocols: str) -> None:
        """Have this certificate from now on."""
        self._file.write_bytes(chain + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._file)
        context.set_alpn_protocols([*protocols])
        self._context = context

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(plain,), daemon=True).start()

    def _answer(self, plain: socket.socket) -> None:
        # A port check of the daemon's ends before any TLS.
        assert self._context is not None
        try:
            with self._context.wrap_socket(plain, server_side=True) as connection:
                connection.recv(4096)
        except OSError:
            plain.close()

    def close(self) -> None:
        self.web.shutdown()
        self.web.server_close()
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Client:
    """An ACME client with an account."""

    def __init__(self, pebble: Pebble, ca: Path) -> None:
        self._key = josepy.JWKRSA(key=rsa.generate_private_key(public_exponent=65537, key_size=2048))
        network = client.ClientNetwork(self._key, verify_ssl=str(ca))  # type: ignore[arg-type]
        self._client = client.ClientV2(client.ClientV2.get_directory(pebble.url, network), network)
        self._client.new_account(messages.NewRegistration.from_data(terms_of_service_agreed=True))

    def obtain(self, inside: Inside, kind: str) -> tuple[bytes, bytes]:
        """Get a certificate by this kind of challenge: the chain and the key."""
        key = _pem(rsa.generate_private_key(public_exponent=65537, key_size=2048))
        order = self._client.new_order(crypto_util.make_csr(key, [HOST]))
        (authorization,) = order.authorizations
        (body,) = (each for each in authorization.body.challenges if each.chall.to_partial_json()["type"] == kind)
        token = body.chall.to_partial_json()["token"]
        thumbprint = josepy.b64encode(self._key.thumbprint()).decode()
        said = f"{token}.{thumbprint}"
        if kind == "http-01":
            inside.answers[f"/.well-known/acme-challenge/{token}"] = said.encode()
        else:
            inside.show(*_proof(said), "acme-tls/1")
        # What is sent is the same for each kind: an empty object.
        self._client.answer_challenge(body, challenges.HTTP01Response(key_authorization=said))
        return self._client.poll_and_finalize(order).fullchain_pem.encode(), key


def _pem(key: Any) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def _proof(said: str) -> tuple[bytes, bytes]:
    """Give the certificate that answers TLS-ALPN-01 (RFC 8737 section 3), and its key."""
    pair = KeyPair.generate(size=2048).selfSignedCert(1, commonName=HOST)
    issued, key = x509.load_pem_x509_certificate(pair.dump(1)), ec.generate_private_key(ec.SECP256R1())
    digest = b"\x04\x20" + hashlib.sha256(said.encode()).digest()
    builder = x509.CertificateBuilder(
        issued.subject, issued.subject, key.public_key(), issued.serial_number, issued.not_valid_before_utc,
        issued.not_valid_after_utc,
    )  # fmt: skip
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
    builder = builder.add_extension(x509.UnrecognizedExtension(IDENTIFIER, digest), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM), _pem(key)


class Case(StackCase):
    challenge: ClassVar[str | None] = None
    """By which kind of challenge Traefik itself gets certificates, if it does."""

    def prepare(self) -> None:
        self.pebble = Pebble(self.stack.directory / "pebble", self.stack.http_port, self.stack.https_port)
        self.addCleanup(self.pebble.stop)
        self.pebble.start()
        self.ca = self.stack.directory / "authority.pem"
        self.ca.write_text(self.pebble.ca)
        if self.challenge is not None:
            authority = {"server": self.pebble.url, "ca": self.pebble.ca, "challenge": self.challenge}
            self.stack.set_traefik(acme={"email": "admin@example.test", **authority})

    def setUp(self) -> None:
        super().setUp()
        self.inside = Inside(gateway_of(self.stack), self.stack.directory)
        self.addCleanup(self.inside.close)
        self.stack.create()
        self.assertEqual(self.stack.ask("POST", "/v1/webspace/self/state").status, 204)
        self.stack.run_inside("sh", "-c", "sed -i /httpd/d /etc/rc; killall httpd")
        relay_inside(self.stack, {443: self.inside.tls_port, 80: self.inside.web.server_port})
        configure(self.stack, sniPassthrough=True, httpPort=443)
        self.client = Client(self.pebble, self.ca)

    def shown(self) -> x509.Certificate:
        """Give the certificate that a visitor sees."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", self.stack.https_port), PATIENCE)
        with context.wrap_socket(plain, server_hostname=HOST) as connection:
            return x509.load_der_x509_certificate(connection.getpeercert(binary_form=True) or b"")

    def obtain(self, kind: str) -> None:
        chain, key = self.client.obtain(self.inside, kind)
        self.inside.show(chain, key)
        wanted = x509.load_pem_x509_certificates(chain)[0]
        self.assertEqual(self.shown().serial_number, wanted.serial_number)
        self.assertIn("Pebble", wanted.issuer.rfc4514_string())

    def check(self, kind: str) -> None:
        self.assertEqual(self.shown().subject.rfc4514_string(), "CN=of its own")
        self.obtain(kind)
        self.fall_asleep()
        self.obtain(kind)
        self.assertEqual(self.stack.status(), "Running")
        answer = exchange("127.0.0.1", self.stack.http_port, "GET", "/page?a=b", None, {"Host": HOST})
        self.assertEqual((answer.status, answer.headers["Location"]), (301, f"https://{HOST}/page?a=b"))


    def fall_asleep(self) -> None:
        """Stop it until it stays so: the authority asks several times, and may do so after it has its answer."""
        sleeps(self.stack)
        stopped = time.monotonic()
        while time.monotonic() - stopped <= STOP_WINDOW:
            if self.stack.status() != "Stopped":
                sleeps(self.stack)
                stopped = time.monotonic()
            time.sleep(0.1)


class AloneTests(Case):
    """Traefik gets no certificates."""

    def test_by_http(self) -> None:
        self.check("http-01")

    def test_by_tls(self) -> None:
        self.check("tls-alpn-01")


class BesideTlsTests(AloneTests):
    """Traefik gets its own by TLS-ALPN-01."""

    challenge = "tls"


class BesideHttpTests(AloneTests):
    """Traefik gets its own by HTTP-01."""

    challenge = "http"
