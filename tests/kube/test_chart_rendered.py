"""The chart as Helm renders it: what is in it, and that the daemon takes what it is given."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import yaml
from twisted.trial.unittest import SynchronousTestCase

from harness import chart_files
from tests.chart_values import (
    ALICE,
    CHART,
    FORMER,
    LEAST,
    METERED,
    PEM,
    REFUSED_BY_SCHEMA,
    REFUSED_WITH_WORDS,
    TAKEN,
    Values,
    at,
    merged,
)
from tests.helm import Document, Helm, Refused, one
from webspaced.iam.users_file import parse_users
from webspaced.settings import SETTINGS, Settings, load

POD = {"POD_IP": "10.244.1.2", "KUBERNETES_SERVICE_HOST": "10.96.0.1"}
LEADER = "webspaced/leader"


class ChartCase(SynchronousTestCase):
    """Has ``helm``."""

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.helm = Helm(self.folder)

    def container(self, objects: list[Document]) -> dict[str, Any]:
        pod = one(objects, "Deployment")["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        return dict(container)

    def config(self, objects: list[Document]) -> str:
        (text,) = (each["data"]["webspaced.yaml"] for each in objects if "webspaced.yaml" in each.get("data", {}))
        return str(text)

    def settings(self, objects: list[Document], given: str = "") -> Settings:
        """Load what the pod would: its files, below a folder, and its variables."""
        place = self.folder / "pod"
        place.mkdir(exist_ok=True)
        path = place / "webspaced.yaml"
        path.write_text(given or self.config(objects))
        variables = {each["name"]: each["value"] for each in self.container(objects)["env"] if "value" in each}
        for name in [name for name in variables if name.endswith("_FILE") and name.startswith("WSD_")]:
            secret = place / name
            secret.write_text(PEM if {"KEY", "CERT", "CA"} & set(name.split("_")) else "word")
            variables[name] = str(secret)
        return load(path, {**POD, "WSD_LEADERSHIP_POD": "web-1", **variables})


GIVEN = """
webspaces: {domain: example.org}
http: {listen_address: ':1'}
leadership: {lease: lxd}
"""
"""What an existing ConfigMap has."""


class RenderedTests(ChartCase):
    """Of any values of the matrix."""

    def test_lint_has_nothing_to_say(self) -> None:
        self.helm.run("lint", "--strict", str(CHART), values=LEAST)

    def test_the_daemon_takes_the_settings_of_every_one(self) -> None:
        # Where the daemon has figures to tell.
        metered = {"metered": METERED} if "metrics.listen_address" in SETTINGS else {}
        for name, values in {**TAKEN, **metered}.items():
            objects = self.helm.rendered(values)
            settings = self.settings(objects, GIVEN if name == "existing-config" else "")
            self.assertEqual(settings.webspaces.domain, "example.org", name)
            port = one(objects, "Deployment")["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"]
            self.assertEqual(settings.http.listen_address.port, port, name)

    def test_nothing_is_left_of_templates(self) -> None:
        for name, values in TAKEN.items():
            text = yaml.safe_dump_all(self.helm.rendered(values))
            for word in ("<no value>", "%!", "e+0", "{{"):
                self.assertNotIn(word, text, name)

    def test_the_schema_is_asked(self) -> None:
        for name, values in REFUSED_BY_SCHEMA.items():
            error = self.assertRaises(Refused, self.helm.rendered, values)
            self.assertIn("specifications of the schema", str(error), name)

    def test_whatever_else_is_wrong_is_said_in_words(self) -> None:
        for name, (words, values) in REFUSED_WITH_WORDS.items():
            error = self.assertRaises(Refused, self.helm.rendered, values)
            self.assertIn(words, str(error), name)

    def test_all_that_is_missing_is_said_at_once(self) -> None:
        error = str(self.assertRaises(Refused, self.helm.rendered, {}))
        for key in ("config.webspaces.domain", "config.lxd.url", "config.iam.url", "traefik.networks"):
            self.assertIn(f"{key} is required", error)


class LeastTests(ChartCase):
    """With the least that has to be said."""

    def setUp(self) -> None:
        super().setUp()
        self.objects = self.helm.rendered(LEAST)

    def test_rights_are_exactly_those_of_deploy_rbac(self) -> None:
        self.assertEqual(one(self.objects, "Role")["rules"], yaml.safe_load(chart_files.ROLE.read_text())["rules"])
        self.assertEqual([each["kind"] for each in self.objects if each["kind"].startswith("Cluster")], [])

    def test_two_pods_on_different_nodes_stand_by_for_each_other(self) -> None:
        spec = one(self.objects, "Deployment")["spec"]
        self.assertEqual((spec["replicas"], spec["strategy"]["type"]), (2, "RollingUpdate"))
        self.assertIn("podAntiAffinity", spec["template"]["spec"]["affinity"])
        self.assertEqual(one(self.objects, "PodDisruptionBudget")["spec"]["maxUnavailable"], 1)
        self.assertEqual(self.settings(self.objects).leadership.lease, "kubernetes")

    def test_visitors_are_led_to_the_leader_and_it_alone_is_told_by_its_label(self) -> None:
        for suffix in ("webspaced", "-forwarding"):
            self.assertEqual(one(self.objects, "Service", suffix)["spec"]["selector"][LEADER], "true")
        spec = one(self.objects, "Deployment")["spec"]
        self.assertNotIn(LEADER, spec["template"]["metadata"]["labels"])
        self.assertNotIn(LEADER, spec["selector"]["matchLabels"])

    def test_the_forwarding_service_has_its_permanent_port(self) -> None:
        service = one(self.objects, "Service", "-forwarding")
        self.assertEqual(service["spec"]["type"], "LoadBalancer")
        self.assertEqual([each["port"] for each in service["spec"]["ports"]], [6969])
        self.assertEqual(self.settings(self.objects).webspaces.ports.kubernetes_service, service["metadata"]["name"])

    def test_probes(self) -> None:
        container = self.container(self.objects)
        paths = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}
        self.assertEqual(paths, {"startup": "/live", "liveness": "/live", "readiness": "/ready"})

    def test_pods_have_no_rights_on_their_node(self) -> None:
        """As the Pod Security Standard "restricted" wants it."""
        pod = one(self.objects, "Deployment")["spec"]["template"]["spec"]
        self.assertEqual(pod["securityContext"]["runAsNonRoot"], True)
        self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
        self.assertNotIn("sysctls", pod["securityContext"])
        wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        self.assertEqual(self.container(self.objects)["securityContext"], wanted)
        self.assertIn("limits", self.container(self.objects)["resources"])

    def test_what_is_written_to_is_a_volume(self) -> None:
        mounts = {each["mountPath"]: each["name"] for each in self.container(self.objects)["volumeMounts"]}
        volumes = {each["name"]: each for each in one(self.objects, "Deployment")["spec"]["template"]["spec"]["volumes"]}
        self.assertIn(str(self.settings(self.objects).data_dir.parent), mounts)
        for path in ("/var/lib/webspaced", "/tmp"):  # noqa: S108 - in a pod
            self.assertIn("emptyDir", volumes[mounts[path]])

    def test_the_network_policy_lets_in_what_listens(self) -> None:
        settings = self.settings(self.objects)
        ports = [each["ports"][0] for each in one(self.objects, "NetworkPolicy")["spec"]["ingress"]]
        for bounds in (settings.webspaces.boot_ports, settings.webspaces.ports):
            self.assertIn({"port": bounds.start, "endPort": bounds.end, "protocol": "TCP"}, ports)
        self.assertIn({"port": "http", "protocol": "TCP"}, ports)


class VariantTests(ChartCase):
    def deployment(self, values: Values) -> dict[str, Any]:
        return dict(one(self.helm.rendered(values), "Deployment")["spec"])

    def test_routes_elsewhere_leave_each_namespace_the_rights_that_it_needs(self) -> None:
        roles = [each for each in self.helm.rendered(TAKEN["elsewhere"]) if each["kind"] == "Role"]
        kinds = {role["metadata"]["namespace"]: [rule["resources"][0] for rule in role["rules"]] for role in roles}
        self.assertEqual(kinds["hosting"], ["services", "leases", "pods"])
        self.assertNotIn("leases", kinds["routes"])
        self.assertIn("secrets", kinds["routes"])

    def test_a_low_port_needs_no_capability(self) -> None:
        pod = self.deployment(TAKEN["low-ports"])["template"]["spec"]
        wanted = [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "80"}]
        self.assertEqual(pod["securityContext"]["sysctls"], wanted)
        self.assertEqual(pod["containers"][0]["securityContext"]["capabilities"], {"drop": ["ALL"]})

    def test_an_existing_config_map_is_mounted_and_told_what_the_chart_knows(self) -> None:
        objects = self.helm.rendered(TAKEN["existing-config"])
        self.assertNotIn("ConfigMap", [each["kind"] for each in objects])
        settings = self.settings(objects, GIVEN)
        self.assertEqual(settings.http.listen_address.port, 9080)
        self.assertEqual((settings.leadership.lease, settings.traefik.provider), ("kubernetes", "kubernetes"))

    def test_existing_secrets_are_mounted_and_named_to_the_daemon(self) -> None:
        objects = self.helm.rendered(TAKEN["existing-secrets"])
        self.assertNotIn("Secret", [each["kind"] for each in objects])
        volumes = {each["name"]: each for each in one(objects, "Deployment")["spec"]["template"]["spec"]["volumes"]}
        found = {
            (each["secret"]["name"], item["key"]): item["path"]
            for each in volumes["secrets"]["projected"]["sources"] for item in each["secret"]["items"]
        }  # fmt: skip
        self.assertEqual(found, {("iam", "token"): "iamToken", ("lxd", "tls.crt"): "lxdCert", ("lxd", "tls.key"): "lxdKey"})
        variables = {each["name"]: each.get("value") for each in self.container(objects)["env"]}
        self.assertEqual(variables["WSD_LXD_TLS_CLIENT_KEY_FILE"], "/run/secrets/webspaced/lxdKey")
        self.assertEqual(self.settings(objects).lxd.tls.client_key, PEM.rstrip())

    def test_members_are_a_users_file(self) -> None:
        objects = self.helm.rendered(TAKEN["static"])
        text = base64.b64decode(one(objects, "Secret")["data"]["users.yaml"])
        ((user, token_hash),) = parse_users(Path("users.yaml"), text)
        self.assertEqual((user.id, user.username, token_hash), (7, "alice", ALICE["token_sha256"]))
        self.assertEqual(str(self.settings(objects).iam.users_file), "/run/secrets/webspaced/users.yaml")

    def test_changed_settings_and_secrets_start_new_pods(self) -> None:
        def annotations(values: Values) -> dict[str, str]:
            return dict(self.deployment(values)["template"]["metadata"]["annotations"])

        before = annotations(LEAST)
        self.assertEqual(annotations(merged(LEAST, at("service.port", 81))), before)
        for change in (at("config.log_level", "debug"), at("secrets.iamToken", "x")):
            self.assertNotEqual(annotations(merged(LEAST, change)), before)

    def test_large_numbers_stay_numbers(self) -> None:
        settings = self.settings(self.helm.rendered(TAKEN["large-numbers"]))
        self.assertEqual(settings.webspaces.exec.max_output, 16777216)

    def test_a_digest_goes_before_the_tag(self) -> None:
        image = self.container(self.helm.rendered(merged(TAKEN["digest"], at("image.tag", "9"))))["image"]
        self.assertEqual(image, "webspaced@sha256:" + "0" * 64)

    def test_with_redis_there_are_no_rights_to_routes(self) -> None:
        objects = self.helm.rendered(TAKEN["redis"])
        resources = [name for rule in one(objects, "Role")["rules"] for name in rule["resources"]]
        self.assertEqual(set(resources), {"services", "leases", "pods"})
        self.assertEqual(self.settings(objects).traefik.redis.password, "word")

    def test_hosts_of_an_ingress_may_be_names_and_its_paths_texts(self) -> None:
        rules = one(self.helm.rendered(TAKEN["ingress"]), "Ingress")["spec"]["rules"]
        found = [(rule["host"], rule["http"]["paths"][0]["path"]) for rule in rules]
        self.assertEqual(found, [("api.example.org", "/"), ("b.example.org", "/v1")])

    def test_metrics_have_a_port_a_service_and_a_monitor_that_finds_it(self) -> None:
        objects = self.helm.rendered(METERED)
        service, monitor = one(objects, "Service", "-metrics"), one(objects, "ServiceMonitor")
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        found = [each for each in objects if each["kind"] == "Service" and wanted <= each["metadata"]["labels"].items()]
        self.assertEqual(found, [service])
        self.assertEqual(monitor["spec"]["endpoints"][0]["port"], service["spec"]["ports"][0]["name"])
        self.assertNotIn(LEADER, service["spec"]["selector"])
        self.assertEqual(yaml.safe_load(self.config(objects))["metrics"], {"listen_address": ":9094"})

    def test_alerts_and_dashboard_are_those_of_the_files(self) -> None:
        objects, files = self.helm.rendered(METERED), CHART / "files" / "monitoring"
        alerts = yaml.safe_load((files / "webspaced-rules.yaml").read_text())
        self.assertEqual(one(objects, "PrometheusRule")["spec"], alerts)
        self.assertIn('job="webspaced"', (files / "webspaced-rules.yaml").read_text())
        relabelled = one(objects, "ServiceMonitor")["spec"]["endpoints"][0]["relabelings"]
        self.assertEqual(relabelled, [{"targetLabel": "job", "replacement": "webspaced"}])
        shown = one(objects, "ConfigMap", "-dashboard")["data"]["webspaced-dashboard.json"]
        self.assertEqual(json.loads(shown), json.loads((files / "webspaced-dashboard.json").read_text()))


class FormerTests(ChartCase):
    """With the values of the Go daemon's chart: each has its effect."""

    def setUp(self) -> None:
        super().setUp()
        self.objects = self.helm.rendered(FORMER)
        self.spec = one(self.objects, "Deployment")["spec"]
        self.pod = self.spec["template"]["spec"]
        self.daemon = self.container(self.objects)

    def test_image_and_names(self) -> None:
        self.assertEqual((self.daemon["image"], self.daemon["imagePullPolicy"]), ("webspaced:1.2.3", "Always"))
        self.assertEqual(self.pod["imagePullSecrets"], [{"name": "pull"}])
        about = one(self.objects, "Deployment")["metadata"]
        self.assertEqual((about["name"], about["labels"]["app.kubernetes.io/name"]), ("web", "spaces"))
        self.assertEqual(self.spec["template"]["metadata"]["annotations"]["example.org/team"], "web")

    def test_the_sidecar_has_its_address_and_its_settings(self) -> None:
        (sidecar,) = self.pod["initContainers"]
        variables = {each["name"]: each.get("value") for each in sidecar["env"]}
        self.assertEqual((sidecar["image"], variables["IFACE_IP"]), ("kubelan:0.2.3", "172.24.254.2/16"))
        self.assertEqual(sidecar["restartPolicy"], "Always")
        self.assertEqual(variables["KL_HOOKS_UP"], "sh,-c,ip addr replace $IFACE_IP dev $IFACE")
        self.assertLessEqual({"KL_IP", "KL_NAMESPACE"}, set(variables))
        self.assertEqual(sidecar["securityContext"]["capabilities"]["add"], ["NET_ADMIN"])
        self.assertEqual(yaml.safe_load(one(self.objects, "ConfigMap", "-kubelan")["data"]["kubelan.yaml"]), {
            "log_level": "debug", "services": ["web", "lxd", "dns/router"], "vxlan": {"interface": "lan0", "vni": 7000},
            "hooks": {"change": ["sh", "-c", "true"]},
        })  # fmt: skip

    def test_there_is_one_pod_that_its_peers_find_before_it_leads(self) -> None:
        self.assertEqual((self.spec["replicas"], self.spec["strategy"]["type"]), (1, "Recreate"))
        self.assertNotIn("PodDisruptionBudget", [each["kind"] for each in self.objects])
        self.assertNotIn(LEADER, one(self.objects, "Service", "web")["spec"]["selector"])

    def test_an_external_config_map_takes_the_place_of_the_sidecars(self) -> None:
        objects = self.helm.rendered(TAKEN["lan-external"])
        self.assertEqual([each["metadata"]["name"] for each in objects if each["kind"] == "ConfigMap"], ["web-webspaced"])
        pod = one(objects, "Deployment")["spec"]["template"]["spec"]
        self.assertIn({"name": "kubelan", "configMap": {"name": "lan"}}, pod["volumes"])

    def test_services(self) -> None:
        api, forwards = (one(self.objects, "Service", suffix) for suffix in ("web", "-forwarding"))
        self.assertEqual((api["spec"]["type"], api["spec"]["ports"][0]["port"]), ("ClusterIP", 80))
        self.assertEqual((api["metadata"]["annotations"], api["spec"]["sessionAffinity"]), ({"a": "b"}, "ClientIP"))
        self.assertEqual(forwards["metadata"]["name"], "web-forwarding")
        self.assertEqual([each["port"] for each in forwards["spec"]["ports"]], [6970])
        self.assertEqual(forwards["metadata"]["annotations"], {"c": "d"})
        self.assertEqual(forwards["spec"]["loadBalancerIP"], "192.0.2.7")

    def test_ingress(self) -> None:
        ingress = one(self.objects, "Ingress")
        self.assertEqual((ingress["metadata"]["annotations"], ingress["spec"]["ingressClassName"]), ({"e": "f"}, "traefik"))
        self.assertEqual(ingress["spec"]["rules"][0]["http"]["paths"][0]["path"], "/v1")
        self.assertEqual(ingress["spec"]["tls"], FORMER["ingress"]["tls"])

    def test_timings_and_place(self) -> None:
        self.assertEqual(self.daemon["startupProbe"]["failureThreshold"], 31)
        self.assertEqual(self.daemon["livenessProbe"]["periodSeconds"], 21)
        self.assertEqual(self.daemon["resources"]["limits"], {"memory": "300Mi"})
        for key in ("terminationGracePeriodSeconds", "nodeSelector", "tolerations", "affinity"):
            self.assertEqual(self.pod[key], FORMER[key])

    def test_settings_and_secrets(self) -> None:
        settings = self.settings(self.objects)
        self.assertEqual((settings.log_level, settings.traefik.kubernetes.cluster_issuer), ("debug", "letsencrypt"))
        self.assertEqual((settings.http.listen_address.port, settings.webspaces.ports.start), (80, 30000))
        self.assertEqual(str(settings.traefik.boot_address), "172.24.254.2")
        self.assertEqual(settings.lxd.tls.client_cert, PEM)
        data = one(self.objects, "Secret")["data"]
        self.assertEqual({name: base64.b64decode(text).decode() for name, text in data.items()},
                         {name: text for name, text in FORMER["secrets"].items() if text})  # fmt: skip
        variables = {each["name"] for each in self.daemon["env"]}
        for key in ("IAM_TOKEN", "LXD_TLS_CLIENT_KEY", "LXD_TLS_TRUST_PASSWORD", "TRAEFIK_IAM_TOKEN"):
            self.assertIn(f"WSD_{key}_FILE", variables)
