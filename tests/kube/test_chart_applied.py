"""The chart on a real API server: every object is taken as it is, and releases come and go.

No controllers run here. What they would do is not seen: no pods start, no address comes to the LoadBalancer, and nothing is
rolled out. So releases are made without waiting for that, and what webspaced would write is written by the tests.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from twisted.trial.unittest import SynchronousTestCase

from tests.chart_values import FORMER, LEAST, METERED, TAKEN, Values, at, merged
from tests.helm import Document, Helm, Refused, conforms, one
from tests.kube_schemas import write_schemas
from tests.kube_server import shared_server

MATRIX = {**TAKEN, "metered": METERED}
HELD = "/api/v1/namespaces/{namespace}"


class AppliedCase(SynchronousTestCase):
    """Has ``server``, ``namespace`` and ``helm``, who is an admin there."""

    def setUp(self) -> None:
        self.server = shared_server()
        self.namespace = self.server.namespace("chart")
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        kubeconfig = self.folder.absolute() / "kubeconfig"
        self.server.write_kubeconfig(kubeconfig, self.server.tokens["admin"], self.namespace)
        self.helm = Helm(self.folder / "helm", self.namespace, kubeconfig)

    def ask(self, method: str, path: str, document: Any = None) -> Any:
        return self.server.ask(method, path.format(namespace=self.namespace), document)

    def apply(self, document: Document, *, manager: str, dry: bool = False) -> Document:
        """Apply an object on the server's side, as a client does; gives what the server made of it."""
        path = f"{self.path_of(document)}?fieldManager={manager}&fieldValidation=Strict{'&dryRun=All' * dry}"
        connection = self.server.connection()
        headers = {**self.server.headers(), "Content-Type": "application/apply-patch+yaml"}
        try:
            connection.request("PATCH", path, json.dumps(document), headers)
            response = connection.getresponse()
            body = json.loads(response.read())
        finally:
            connection.close()
        self.assertIn(response.status, (200, 201), f"{document['kind']}: {body.get('message')}")
        return dict(body)

    def path_of(self, document: Document) -> str:
        version, about = document["apiVersion"], document["metadata"]
        root = f"/apis/{version}" if "/" in version else f"/api/{version}"
        plural = self.kinds(root)[document["kind"]]
        place = "" if document["kind"].startswith("Cluster") else f"/namespaces/{about.get('namespace', self.namespace)}"
        return f"{root}{place}/{plural}/{quote(about['name'])}"

    def kinds(self, root: str) -> dict[str, str]:
        found = self.server.ask("GET", root)["resources"]
        return {each["kind"]: each["name"] for each in found if "/" not in each["name"]}

    def left(self) -> list[str]:
        """Give all objects in the namespace, and those of no namespace that are the chart's."""
        names: list[str] = []
        groups = [group["preferredVersion"]["groupVersion"] for group in self.server.ask("GET", "/apis")["groups"]]
        for root in ["/api/v1", *(f"/apis/{each}" for each in groups)]:
            for kind in self.server.ask("GET", root)["resources"]:
                if "list" in kind["verbs"] and kind["name"] != "events":
                    names += self.listed(root, kind)
        return sorted(names)

    def listed(self, root: str, kind: dict[str, Any]) -> list[str]:
        place = f"/namespaces/{self.namespace}" if kind["namespaced"] else ""
        found = self.server.ask("GET", f"{root}{place}/{kind['name']}")["items"]
        names = [each["metadata"]["name"] for each in found]
        ours = [name for name in names if kind["namespaced"] or (self.namespace in name and kind["kind"] != "Namespace")]
        return [f"{kind['kind']} {name}" for name in ours]


class ServerTests(AppliedCase):
    """Each set of values of the matrix."""

    def rendered(self, values: Values) -> list[Document]:
        if values is TAKEN["elsewhere"]:
            values = merged(values, at("config.traefik.kubernetes.namespace", self.server.namespace("routes")))
        return self.helm.rendered(values)

    def test_kubeconform_finds_nothing_wrong(self) -> None:
        objects = [each for values in MATRIX.values() for each in self.rendered(values)]
        schemas = (self.folder / "schemas").absolute()
        write_schemas(self.server, {each["apiVersion"] for each in objects}, schemas)
        self.assertEqual(conforms(objects, schemas), [])
        # And it would.
        wrong = merged(one(objects[:20], "Deployment"), at("spec.template.spec.volums", []))
        self.assertIn("volums", "".join(conforms([wrong], schemas)))

    def test_the_server_takes_every_object_as_it_is(self) -> None:
        for name, values in MATRIX.items():
            for document in self.rendered(values):
                kept = self.apply(document, manager="helm", dry=True)
                self.assertEqual(lost(document, kept), [], f"{name}: {document['kind']}")


def lost(given: Any, kept: Any, path: str = "") -> list[str]:
    """Give what of a document the server did not keep. It may add, and write quantities and empty things in its own way."""
    if isinstance(given, dict) and isinstance(kept, dict):
        return [each for key, value in given.items() for each in lost(value, kept.get(key), f"{path}.{key}")]
    if isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        pairs = enumerate(zip(given, kept, strict=True))
        return [each for number, pair in pairs for each in lost(*pair, f"{path}[{number}]")]
    return [] if given == kept or (kept is None and not given) else [f"{path}: {given!r} became {kept!r}"]


class ReleaseTests(AppliedCase):
    """A release's life."""

    def replicas(self) -> int:
        path = "/apis/apps/v1/namespaces/{namespace}/deployments/web-webspaced"
        return int(self.ask("GET", path)["spec"]["replicas"])

    def forwards(self) -> dict[int, int]:
        """Give the forwarding Service's ports and the node ports that they have."""
        service = self.ask("GET", HELD + "/services/web-webspaced-forwarding")
        return {each["port"]: each["nodePort"] for each in service["spec"]["ports"]}

    def forward(self, *ports: int) -> None:
        """Have these forwarded ports, as webspaced does."""
        entries = [{"name": f"webspaced-{port}", "port": port, "targetPort": port, "protocol": "TCP"} for port in ports]
        about = {"name": "web-webspaced-forwarding", "namespace": self.namespace}
        document = {"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": {"ports": entries}}
        self.apply(document, manager="webspaced")

    def test_it_is_installed_upgraded_rolled_back_and_uninstalled_without_a_trace(self) -> None:
        notes = self.helm.release("install", LEAST)
        for words in ("webspaced/leader=true", "managed-by=webspaced,app.kubernetes.io/instance=example.org"):
            self.assertIn(words, notes)
        self.assertEqual(self.replicas(), 2)
        self.helm.release("upgrade", merged(LEAST, at("replicas", 3), at("metrics.enabled", value=True)))
        self.assertEqual(self.replicas(), 3)
        self.assertIn("Service web-webspaced-metrics", self.left())
        self.helm.run("rollback", "web", "1")
        self.assertEqual(self.replicas(), 2)
        self.assertNotIn("Service web-webspaced-metrics", self.left())
        self.helm.run("uninstall", "web")
        self.assertEqual(self.left(), [])

    def test_upgrades_and_rollbacks_leave_forwarded_ports_and_their_node_ports_alone(self) -> None:
        self.helm.release("install", LEAST)
        self.forward(50001)
        before = self.forwards()
        self.assertEqual(set(before), {6969, 50001})
        self.helm.release("upgrade", merged(LEAST, at("fwdService.annotations", {"a": "b"})))
        self.assertEqual(self.forwards(), before)
        self.forward(50001, 50002)
        self.helm.run("rollback", "web", "1")
        self.assertEqual({port: node for port, node in self.forwards().items() if port in before}, before)
        self.assertEqual(self.forwards().keys() - before.keys(), {50002})
        self.helm.run("uninstall", "web")
        self.assertEqual(self.left(), [])

    def test_the_leaders_label_outlives_an_upgrade_and_is_what_services_ask_for(self) -> None:
        self.helm.release("install", LEAST)
        selector = self.ask("GET", HELD + "/services/web-webspaced")["spec"]["selector"]
        template = self.ask("GET", "/apis/apps/v1/namespaces/{namespace}/deployments/web-webspaced")["spec"]["template"]
        self.assertLessEqual(template["metadata"]["labels"].items(), selector.items())
        self.assertEqual(selector.items() - template["metadata"]["labels"].items(), {("webspaced/leader", "true")})

    def test_with_the_lan_it_leaves_nothing_beside_the_namespace_either(self) -> None:
        self.helm.release("install", FORMER)
        self.assertIn(f"ClusterRole {self.namespace}-web-kubelan", self.left())
        self.helm.run("uninstall", "web")
        self.assertEqual(self.left(), [])

    def test_a_refused_upgrade_changes_nothing(self) -> None:
        self.helm.release("install", LEAST)
        before = self.left()
        self.assertRaises(Refused, self.helm.release, "upgrade", merged(FORMER, at("replicas", 2)))
        self.assertEqual(self.left(), before)
        self.assertEqual(self.replicas(), 2)

    def test_its_account_has_the_rights_that_it_needs_and_no_others(self) -> None:
        self.helm.release("install", LEAST)
        account = f"system:serviceaccount:{self.namespace}:web-webspaced"
        for allowed, verb, group, resource in (
            (True, "patch", "", "services"),
            (True, "update", "discovery.k8s.io", "endpointslices"),
            (True, "create", "traefik.io", "ingressroutes"),
            (True, "update", "coordination.k8s.io", "leases"),
            (True, "patch", "", "pods"),
            (False, "delete", "", "pods"),
            (False, "list", "", "pods"),
            (False, "get", "", "configmaps"),
            (False, "create", "rbac.authorization.k8s.io", "roles"),
        ):
            wanted = {"namespace": self.namespace, "verb": verb, "group": group, "resource": resource}
            review = {
                "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
                "spec": {"user": account, "resourceAttributes": wanted},
            }  # fmt: skip
            answer = self.ask("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", review)
            self.assertEqual(answer["status"]["allowed"], allowed, f"{verb} {resource}")
