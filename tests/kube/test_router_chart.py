"""The router's chart as Helm renders it: the router takes its settings, and Kubernetes its objects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from twisted.trial.unittest import SynchronousTestCase

from harness.saying import CannotGoOn
from tests.chart_values import Values, at, merged
from tests.helm import Helm, Refused, conforms, documents
from tests.kube_schemas import write_schemas
from tests.kube_server import shared_server
from tests.unit.chart.test_router import CHART, LEAST, REFUSED
from webspaced.kube.resources import LEASE
from webspaced.router.settings import SCHEMA, Settings
from webspaced.settings import load_for

FULL: Values = merged(LEAST, {
    "lxdSecret": "lxd",
    "lan": {"image": "lan:1", "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}}},
    "sysctls": [{"name": "net.ipv6.conf.all.forwarding", "value": "1"}],
    "imagePullSecrets": [{"name": "pull"}], "priorityClassName": "high", "podLabels": {"a": "b"},
    "podAnnotations": {"c": "d"}, "nodeSelector": {"e": "f"}, "tolerations": [{"key": "g", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}}, "config": {"dns": {"domain": "example"}},
})  # fmt: skip


class RenderedCase(SynchronousTestCase):
    """Has ``helm``."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.helm = Helm(self.folder)

    def rendered(self, values: Values) -> str:
        return self.helm.run("template", "router", str(CHART), values=values)

    def objects(self, values: Values) -> dict[str, dict[str, Any]]:
        return {each["kind"]: each for each in yaml.safe_load_all(self.rendered(values)) if each}

    def settings(self, objects: dict[str, dict[str, Any]], **environ: str) -> Settings:
        path = self.folder / "settings.yaml"
        path.write_text(objects["ConfigMap"]["data"]["webspaced-router.yaml"])
        return load_for(SCHEMA, path, environ)


class RenderedTests(RenderedCase):
    def test_the_router_takes_its_settings(self) -> None:
        settings = self.settings(self.objects(LEAST), WSR_LEADERSHIP_POD="router-0")
        self.assertEqual((settings.leadership.mode, settings.leadership.pod), ("kubernetes", "router-0"))
        self.assertEqual(settings.leadership.name, "router-webspaced-router")
        self.assertEqual((str(settings.operators_address), settings.log_format), (":9096", "json"))

    def test_its_rights_are_those_of_its_lease(self) -> None:
        objects = self.objects(LEAST)
        rules = objects["Role"]["rules"]
        self.assertEqual(rules[0]["resourceNames"], [self.settings(objects).leadership.name])
        self.assertEqual({resource for rule in rules for resource in rule["resources"]}, {"leases"})

    def test_the_pod(self) -> None:
        pod = self.objects(FULL)["Deployment"]["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        self.assertEqual(container["securityContext"]["capabilities"]["drop"], ["ALL"])
        self.assertEqual((pod["initContainers"][0]["name"], pod["initContainers"][0]["restartPolicy"]), ("lan", "Always"))
        self.assertEqual(container["livenessProbe"]["httpGet"]["path"], "/live")

    def test_a_changed_setting_replaces_the_pods(self) -> None:
        first, second = (
            self.objects(values)["Deployment"]["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
            for values in (LEAST, merged(LEAST, at("config.dns.domain", "example")))
        )
        self.assertNotEqual(first, second)

    def test_what_is_missing_is_named(self) -> None:
        for key in ("router.interface", "router.address", "lxd.url", "lxd.network"):
            refused = self.assertRaises(Refused, self.rendered, merged(LEAST, at(f"config.{key}", None)))
            self.assertIn(f"config.{key} is required", str(refused))

    def test_what_cannot_be_is_refused(self) -> None:
        for values in REFUSED.values():
            self.assertRaises(Refused, self.rendered, merged(LEAST, values))

    def test_lint(self) -> None:
        self.helm.run("lint", "--strict", str(CHART), values=FULL)


class AppliedTests(RenderedCase):
    """Before a real API server."""

    def setUp(self) -> None:
        super().setUp()
        self.server = shared_server()
        self.namespace = self.server.namespace("router")

    def test_kubeconform_finds_nothing_wrong(self) -> None:
        objects = [each for values in (LEAST, FULL) for each in documents(self.rendered(values))]
        schemas = (self.folder / "schemas").absolute()
        write_schemas(self.server, {each["apiVersion"] for each in objects}, schemas)
        self.assertEqual(conforms(objects, schemas), [])

    def test_its_rights_are_enough_for_its_lease_and_for_no_other(self) -> None:
        role = self.objects(LEAST)["Role"]
        self.server.give("webspaced", [role], self.namespace)
        path = f"/apis/coordination.k8s.io/v1/namespaces/{self.namespace}/leases"
        lease = LEASE.document({"name": role["metadata"]["name"]}, spec={"holderIdentity": "one"})
        self.server.ask("POST", path, lease, user="webspaced")
        own = f"{path}/{role['metadata']['name']}"
        found = self.server.ask("GET", own, user="webspaced")
        found["spec"]["holderIdentity"] = "two"
        self.server.ask("PUT", own, found, user="webspaced")
        for method, asked in (("GET", path), ("GET", f"{path}/webspaced"), ("DELETE", own)):
            self.assertRaises(CannotGoOn, self.server.ask, method, asked, user="webspaced")
