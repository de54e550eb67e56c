"""Each setting of Traefik's does what it says; see ``test_settings``."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.assembled import AssembledCase
from tests.unit.forward.wires import Wire
from tests.unit.timing import Watched, watch
from webspaced.assembly import publishing


class TraefikTests(AssembledCase):
    def begin_creation(self) -> Watched:
        headers = {"Authorization": "Bearer alice", "Content-Type": "application/json"}
        return watch(self.public.post("http://webspaced.test/v1/webspace/self", data=b'{"image": "fast"}', headers=headers))

    def test_provider_file_and_its_path(self) -> None:
        path = Path(self.mktemp()).absolute() / "watched" / "routes.yml"
        self.start(traefik={"provider": "file", "file": {"path": str(path)}})
        self.create()
        self.assertIn("ws-u1", json.loads(path.read_text())["http"]["services"])
        self.assertEqual(watch(self.internal.get("http://webspaced.test/routes")).value.code, 404)

    def test_provider_http_and_where_its_copy_lies(self) -> None:
        self.build(traefik={"provider": "http"})
        self.assertEqual(watch(self.internal.get("http://webspaced.test/routes")).value.code, 503)
        self.daemon.privilegedStartService()
        self.daemon.startService()
        self.machine.run_for(1)
        answer = watch(self.internal.get("http://webspaced.test/routes")).value
        self.assertEqual(answer.code, 200)
        self.assertTrue((self.folder / "data" / "traefik" / "fetched.yml").exists())
        self.assertFalse(self.settings.traefik.file.path.exists())

    def fetched(self, *said: str) -> int:
        headers = {"Authorization": said[0]} if said else {}
        return int(watch(self.internal.get("http://webspaced.test/routes", headers=headers)).value.code)

    def test_http_token(self) -> None:
        self.start(traefik={"provider": "http", "http": {"token": "fetch-me"}})
        self.assertEqual([self.fetched(), self.fetched("Bearer x"), self.fetched("Bearer fetch-me")], [401, 401, 200])
        self.assertNotIn("fetch-me", repr(self.settings))

    def test_an_embedded_one_that_fetches_has_a_token_of_its_own(self) -> None:
        self.patch(publishing, "find_traefik", lambda: "/usr/bin/traefik")
        given = set()
        for _ in range(2):
            self.start(traefik={"embedded": True, "provider": "http"})
            path = self.folder / "data" / "traefik" / "traefik.yml"
            says = json.loads(path.read_text())["providers"]["http"]["headers"]["Authorization"]
            self.assertEqual((self.fetched(), self.fetched(says), path.stat().st_mode & 0o777), (401, 200, 0o600))
            self.assertNotIn(says.split()[1], repr(self.daemon._parts.traefik._embedding))
            given.add(says)
        self.assertEqual(len(given), 2)

    def test_cert_resolver_and_default_sans(self) -> None:
        self.start(traefik={"cert_resolver": "acme", "default_sans": ["*.example.org"]})
        self.create()
        domain = self.domains("own.example")
        self.assertEqual(self.ask("POST", f"self/domains/{domain}")[0], 201)
        routers = self.document()["http"]["routers"]
        own = {"certResolver": "acme", "domains": [{"main": domain}]}
        self.assertEqual(routers["ws-u1-domains"]["tls"], own)
        self.assertEqual(routers["ws-u1-https"]["tls"]["domains"], [{"main": "*.example.org", "sans": []}])

    def test_entry_points(self) -> None:
        self.start(traefik={"http_entrypoint": "web", "https_entrypoint": "websecure"})
        self.create()
        routers = self.document()["http"]["routers"]
        self.assertEqual(routers["ws-u1"]["entryPoints"], ["web"])
        self.assertEqual(routers["ws-u1-https"]["entryPoints"], ["websecure"])

    def test_embedded_and_its_addresses(self) -> None:
        self.patch(publishing, "find_traefik", lambda: "/usr/bin/traefik")
        addresses = {"http_address": "192.0.2.8:8180", "https_address": "192.0.2.9:8143"}
        self.start(traefik={"embedded": True, "http_entrypoint": "web", **addresses})
        path = self.folder / "data" / "traefik" / "traefik.yml"
        self.assertIn(f"--configFile={path}", self.machine.processes[0])
        points = json.loads(path.read_text())["entryPoints"]
        self.assertEqual(set(points), {"web", "https"})
        # Visitors come to webspaced, which leads them on.
        self.assertLessEqual({("192.0.2.8", 8180), ("192.0.2.9", 8143)}, self.machine.listening())
        for point in points.values():
            self.assertRegex(point["address"], r"^127\.0\.0\.1:[0-9]+$")
        self.start(traefik={"embedded": False})
        self.assertEqual(self.machine.processes, [])

    def test_header_timeout(self) -> None:
        self.patch(publishing, "find_traefik", lambda: "/usr/bin/traefik")
        self.start(traefik={"embedded": True, "header_timeout": "16s"})
        silent = [self.machine.connect(port) for port in (8080, 8443)]
        self.machine.run_for(15)
        self.assertEqual([each.ends for each in silent], [[], []])
        self.machine.run_for(4)
        self.assertEqual([each.ends for each in silent], [["reset"], ["reset"]])

    def test_probe_url(self) -> None:
        self.start(traefik={"probe_url": "http://192.0.2.7:8180", "settle_time": "60s"})
        creating = self.begin_creation()
        self.machine.run_for(20)
        self.assertFalse(creating.done)
        asked = {client[:2] for client in self.machine.tcpClients}
        self.assertEqual(asked, {("192.0.2.7", 8180)})
        self.assertEqual(self.document()["http"]["routers"]["webspaced"]["entryPoints"], ["http"])
        # The last two: of who looks whether there are routes at all, and of who waits for this one.
        for *_, factory, _, _ in self.machine.tcpClients[-2:]:
            protocol = factory.buildProtocol(None)
            protocol.makeConnection(Wire())
            protocol.dataReceived(b"HTTP/1.1 418 I'm a teapot\r\n\r\n")
        self.machine.run_for(1)
        self.public.flush()
        self.assertEqual(creating.value.code, 201)

    def test_probe_url_over_tls(self) -> None:
        self.start(traefik={"probe_url": "https://192.0.2.7:8180"})
        self.create()
        self.assertEqual(self.document()["http"]["routers"]["webspaced"]["entryPoints"], ["https"])

    def test_the_embedded_one_is_found_by_itself(self) -> None:
        for more, url in (
            ({"http_address": ":8080"}, "http://127.0.0.1:8080"),
            ({"http_address": "[2001:db8::1]:8080"}, "http://[2001:db8::1]:8080"),
            ({"http_address": "0.0.0.0:8080"}, "http://127.0.0.1:8080"),
            ({"http_address": "127.0.0.1:0"}, None),
        ):
            self.patch(publishing, "find_traefik", lambda: "/usr/bin/traefik")
            self.build(traefik={"embedded": True, **more})
            self.assertEqual(self.settings.traefik.probe_url, url)
        self.build()
        self.assertIsNone(self.settings.traefik.probe_url)

    def test_acme(self) -> None:
        self.patch(publishing, "find_traefik", lambda: "/usr/bin/traefik")
        pem = "-----BEGIN CERTIFICATE-----"
        acme = {"email": "admin@example.org", "server": "https://acme.example.net/dir", "ca": pem}
        self.start(traefik={"embedded": True, "acme": acme})
        self.create()
        folder = self.folder / "data" / "traefik"
        document = json.loads((folder / "traefik.yml").read_text())
        self.assertEqual(document["certificatesResolvers"], {"default": {"acme": {
            "email": "admin@example.org",
            "caServer": "https://acme.example.net/dir",
            "storage": str(folder / "acme.json"),
            "caCertificates": [str(folder / "acme-ca.pem")],
            "tlsChallenge": {},
        }}})  # fmt: skip
        self.assertEqual((folder / "acme-ca.pem").read_text(), pem)
        self.assertEqual(self.document()["http"]["routers"]["ws-u1-https"]["tls"], {"certResolver": "default"})
        domain = self.domains("own.example")
        self.assertEqual(self.ask("POST", f"self/domains/{domain}")[0], 201)
        own = self.document()["http"]["routers"]["ws-u1-domains"]["tls"]
        self.assertEqual(own, {"certResolver": "default", "domains": [{"main": domain}]})

    def test_acme_by_http(self) -> None:
        self.patch(publishing, "find_traefik", lambda: "/usr/bin/traefik")
        self.start(traefik={"embedded": True, "cert_resolver": "mine", "acme": {"email": "a@b.org", "challenge": "http"}})
        document = json.loads((self.folder / "data" / "traefik" / "traefik.yml").read_text())
        (options,) = document["certificatesResolvers"]["mine"].values()
        self.assertEqual(options["httpChallenge"], {"entryPoint": "http"})
        self.assertEqual(options["caServer"], "https://acme-v02.api.letsencrypt.org/directory")
        self.assertNotIn("tlsChallenge", options)
