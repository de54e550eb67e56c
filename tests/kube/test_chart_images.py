"""The chart of the image server: what Helm renders, and that the server takes what it is given."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft7Validator
from twisted.trial.unittest import SynchronousTestCase

from harness import places
from tests.helm import Document, Helm, Refused, documents, one
from tests.kube.test_chart_applied import AppliedCase, lost
from webspaced.images.settings import SCHEMA, Settings
from webspaced.settings import load_for

CHART = places.CHECKOUT / "charts" / "webspaced-images"
LEAST: dict[str, Any] = {"config": {"releases": {"repositories": ["a/b"]}}}
FULL: dict[str, Any] = {
    **LEAST,
    "secrets": {"token": "hushhush", "access": {"a/b": {"alice": "sesame"}}},
    "ingress": {
        "enabled": True, "className": "traefik", "hosts": [{"host": "i.example.org"}], "annotations": {"a": "b"},
        "tls": [{"hosts": ["i.example.org"], "secretName": "t"}],
    },
    "persistence": {"enabled": True, "size": "9Gi", "storageClass": "fast"},
    "resources": {"limits": {"memory": "256Mi"}},
}  # fmt: skip


FORMER: dict[str, Any] = {
    "replicaCount": 1,
    "image": {"repository": "octolxd", "pullPolicy": "IfNotPresent", "tag": ""},
    "imagePullSecrets": [],
    "nameOverride": "",
    "fullnameOverride": "",
    "podAnnotations": {},
    "podSecurityContext": {},
    "securityContext": {},
    "service": {"type": "ClusterIP", "port": 80},
    "ingress": {
        "enabled": True, "annotations": {}, "tls": [], "hosts": [{"host": "chart-example.local", "paths": []}],
    },
    "resources": {},
    "autoscaling": {
        "enabled": False, "minReplicas": 1, "maxReplicas": 100, "targetCPUUtilizationPercentage": 80,
    },
    "nodeSelector": {},
    "tolerations": [],
    "affinity": {},
    "config": {"log_level": "INFO", "http": {"listen_address": ":80"}},
}  # fmt: skip
"""The values of the chart octolxd 0.1.1, with its Ingress."""


class RenderedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.helm = Helm(self.folder)

    def rendered(self, values: dict[str, Any]) -> list[Document]:
        text = self.helm.run("template", "octolxd", str(CHART), values=values)
        return [each for each in yaml.safe_load_all(text) if each]

    def settings(self, objects: list[Document]) -> Settings:
        text = one(objects, "ConfigMap")["data"]["webspaced-images.yaml"]
        place = self.folder.absolute() / "pod"
        place.mkdir(exist_ok=True)
        secrets = [each for each in objects if each["kind"] == "Secret"]
        for name, content in (secrets[0]["stringData"] if secrets else {}).items():
            (place / name).write_text(content)
        path = place / "settings.yaml"
        path.write_text(text.replace("/run/secrets/webspaced", str(place)))
        return load_for(SCHEMA, path, {})

    def test_the_least(self) -> None:
        objects = self.rendered(LEAST)
        self.assertEqual(sorted(each["kind"] for each in objects), ["ConfigMap", "Deployment", "Service"])
        settings = self.settings(objects)
        self.assertEqual(settings.releases.repositories, ("a/b",))
        self.assertEqual((settings.http.listen_address.port, settings.operators_address.port), (8080, 9095))
        pod = one(objects, "Deployment")["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        self.assertEqual({each["containerPort"] for each in container["ports"]}, {8080, 9095})
        self.assertIn(str(settings.data_dir), {each["mountPath"] for each in container["volumeMounts"]})
        self.assertIn({"name": "data", "emptyDir": {}}, pod["volumes"])

    def test_all_of_it(self) -> None:
        objects = self.rendered(FULL)
        settings = self.settings(objects)
        self.assertEqual(settings.releases.token, "hushhush")
        self.assertEqual(settings.http.access, {"a/b": {"alice": "sesame"}})
        self.assertNotIn("hushhush", json.dumps(one(objects, "ConfigMap")))
        self.assertEqual(one(objects, "PersistentVolumeClaim")["spec"]["resources"]["requests"], {"storage": "9Gi"})
        self.assertEqual(one(objects, "Ingress")["spec"]["rules"][0]["host"], "i.example.org")

    def test_a_secret_that_is_there(self) -> None:
        objects = self.rendered({**LEAST, "existingSecret": "mine"})
        self.assertFalse([each for each in objects if each["kind"] == "Secret"])
        volumes = one(objects, "Deployment")["spec"]["template"]["spec"]["volumes"]
        self.assertIn("mine", [each.get("secret", {}).get("secretName") for each in volumes])

    def test_a_changed_setting_starts_new_pods(self) -> None:
        def checksum(values: dict[str, Any]) -> str:
            template = one(self.rendered(values), "Deployment")["spec"]["template"]
            return str(template["metadata"]["annotations"]["checksum/config"])

        self.assertNotEqual(checksum(LEAST), checksum({"config": {"releases": {"repositories": ["a/c"]}}}))

    def test_what_cannot_be_is_refused(self) -> None:
        for values in (
            {"replicaCount": 2, "persistence": {"enabled": True}}, {"replicas": 2}, {"ingress": {"hosts": ["a"]}},
            {"secrets": {"access": {"a/b": {}}}}, {"service": {"port": 0}},
        ):  # fmt: skip
            self.assertRaises(Refused, self.rendered, {**LEAST, **values})

    def test_a_former_values_file(self) -> None:
        config = {**FORMER["config"], **LEAST["config"]}
        objects = self.rendered({**FORMER, "config": config})
        settings = self.settings(objects)
        self.assertEqual((settings.log_level, settings.http.listen_address.port), ("info", 8080))
        (path,) = one(objects, "Ingress")["spec"]["rules"][0]["http"]["paths"]
        self.assertEqual(path["path"], "/")
        self.assertEqual(one(objects, "Service")["spec"]["ports"][0]["port"], 80)

    def test_no_autoscaling(self) -> None:
        self.assertRaises(Refused, self.rendered, {**LEAST, "autoscaling": {"enabled": True}})

    def test_the_readmes_values(self) -> None:
        (block,) = re.findall(r"```yaml\n(.*?)```", (CHART / "README.md").read_text(), re.DOTALL)
        self.settings(self.rendered(yaml.safe_load(block)))


class ImagesServerTests(AppliedCase):
    """On a real API server."""

    def test_it_takes_every_object_as_it_is(self) -> None:
        for values in (LEAST, FULL, {**FORMER, **LEAST}):
            text = self.helm.run("template", "octolxd", str(CHART), values=values)
            for document in documents(text):
                kept = self.apply(document, manager="helm", dry=True)
                # What is given as text is kept in another member.
                given = {key: value for key, value in document.items() if key != "stringData"}
                self.assertEqual(lost(given, kept), [], document["kind"])


class FileTests(SynchronousTestCase):
    def test_the_schema_takes_the_defaults_and_knows_each(self) -> None:
        schema = json.loads((CHART / "values.schema.json").read_text())
        Draft7Validator.check_schema(schema)
        defaults = yaml.safe_load((CHART / "values.yaml").read_text())
        self.assertEqual(list(Draft7Validator(schema).iter_errors(defaults)), [])
        self.assertEqual(set(schema["properties"]) - {"global"}, set(defaults))

    def test_former_values_have_their_places(self) -> None:
        values = yaml.safe_load((CHART / "values.yaml").read_text())
        table = (CHART / "README.md").read_text().partition("| former value |")[2]
        rows = re.findall(r"^\| `[^`]+` \| `([^`]+)` \|", table, re.MULTILINE)
        for key in FORMER:
            self.assertTrue(any(row == key or row.startswith(f"{key}.") for row in rows), key)
        for place in rows:
            found: Any = values
            for name in place.split("."):
                self.assertIn(name, found, place)
                found = found[name]
