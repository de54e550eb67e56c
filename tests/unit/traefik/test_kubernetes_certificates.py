"""Members' own certificates as Secrets: written before what refers to them, put right, and gone with what they are of."""

from __future__ import annotations

from base64 import b64encode

from tests.contracts.route_store import own, route
from tests.unit.traefik.kube_store import OWN, StoreCase, cluster
from webspaced.core.routes import ServedCertificate
from webspaced.errors import PartlyWritten
from webspaced.kube.resources import CERTIFICATE, INGRESS_ROUTE, SECRET


class SecretTests(StoreCase):
    cluster = cluster(cluster_issuer="letsencrypt")

    def secret(self) -> str:
        (name,) = self.objects(SECRET)
        return name

    def with_certificates(self, *certificates: ServedCertificate) -> None:
        self.put(route(hosts=OWN, certificates=certificates))
        self.clock.run_for(1)

    def test_from_the_automatic_one_and_back(self) -> None:
        self.with_certificates()
        self.assertEqual(len(self.objects(CERTIFICATE)), 2)
        self.writes()
        self.with_certificates(own("example.net"))
        name, writes = self.secret(), self.writes()
        self.assertLess(writes.index("POST secrets"), writes.index("POST ingressroutes"))
        # The old way there is taken away when the new one is there.
        deletions = [n for n, each in enumerate(writes) if each.startswith("DELETE")]
        self.assertLess(writes.index("POST ingressroutes"), min(deletions))
        self.assertEqual([each["spec"]["dnsNames"] for each in self.objects(CERTIFICATE).values()], [["www.example.net"]])
        self.assertEqual(self.objects(INGRESS_ROUTE)[name]["spec"]["tls"], {"secretName": name})
        # Replaced by one write, and the same again by none.
        self.with_certificates(own("example.net", text="new"))
        self.assertEqual(self.writes(), [f"PUT secrets/{name}"])
        self.assertEqual(self.objects(SECRET)[name]["data"]["tls.key"], b64encode(b"key new").decode())
        self.with_certificates(own("example.net", text="new"))
        self.assertEqual(self.writes(), [])
        self.with_certificates()
        self.assertEqual((self.objects(SECRET), len(self.objects(CERTIFICATE))), ({}, 2))

    def test_a_restart_writes_nothing_and_orphans_go(self) -> None:
        self.with_certificates(own("example.net"))
        metadata = {"name": "left", "labels": {**self.objects(SECRET)[self.secret()]["metadata"]["labels"]}}
        other = SECRET.document({"name": "somebody-elses"}, type="Opaque", data={"a": "Yg=="})
        self.writes()
        self.store = self.renew()
        self.assertEqual(self.do(self.store.load())["ws-u1"].certificates, (own("example.net"),))
        self.put()
        self.assertEqual(self.writes(), [])
        self.do(self.client.create(SECRET, self.namespace, SECRET.document(metadata, type="Opaque")))
        self.do(self.client.create(SECRET, self.namespace, other))
        self.store = self.renew()
        self.do(self.store.load())
        self.writes()
        self.put()
        self.assertEqual(self.writes(), ["DELETE secrets/left"])
        self.put(remove=("ws-u1",))
        self.assertEqual(list(self.objects(SECRET)), ["somebody-elses"])

    def test_what_others_do_to_one_is_put_right(self) -> None:
        self.with_certificates(own("example.net"))
        name = self.secret()
        wanted = self.objects(SECRET)[name]["data"]
        self.told.clear()
        self.do(self.client.merge_patch(SECRET, self.namespace, name, {"data": {"tls.key": "eA=="}}))
        self.clock.run_for(1)
        self.assertEqual(self.told, [{"ws-u1"}])
        self.with_certificates(own("example.net"))
        self.assertEqual(self.objects(SECRET)[name]["data"], wanted)
        self.do(self.client.delete(SECRET, self.namespace, name))
        self.clock.run_for(1)
        self.with_certificates(own("example.net"))
        self.assertEqual(self.objects(SECRET)[name]["data"], wanted)
        self.assertEqual(self.do(self.store.differs()), None)

    def test_one_of_somebody_elses_is_not_touched(self) -> None:
        self.with_certificates(own("example.net"))
        name = self.secret()
        self.with_certificates()
        foreign = SECRET.document({"name": name}, type="kubernetes.io/tls", data={"tls.crt": "YQ==", "tls.key": "Yg=="})
        self.do(self.client.create(SECRET, self.namespace, foreign))
        self.assertRaises(PartlyWritten, self.with_certificates, own("example.net"))
        self.assertEqual(self.objects(SECRET)[name]["data"], foreign["data"])
        self.assertEqual(self.objects(SECRET)[name]["metadata"].get("labels") or {}, {})
