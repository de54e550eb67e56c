"""A deployment whose pods have what the chart gives them: settings, account, labels, Services.

Only what one machine cannot have is the test's: addresses, the simulated LXD, the folder, the members.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import yaml

from tests.chart_values import LEAST, Values, at, merged
from tests.helm import Helm
from tests.kube.deployment import Deployment, Pod
from tests.kube_server import KubeServer

NAME = "web-webspaced"
VALUES: Values = merged(LEAST, at("config.webspaces.boot_ports", {"start": 20000, "end": 20019}))


class ChartPod(Pod):
    """Has the settings of the chart's ConfigMap, and over them those of the test."""

    def _write_settings(self) -> None:
        super()._write_settings()
        path = self._directory / "webspaced.yaml"
        own = yaml.safe_load(path.read_text())
        charts = yaml.safe_load(self._deployment.get("configmaps", NAME)["data"]["webspaced.yaml"])
        # Members are in a file here.
        charts.pop("iam")
        path.write_text(yaml.safe_dump(merged(charts, own)))


class ChartDeployment(Deployment):
    """See the module."""

    def __init__(self, server: KubeServer, values: Values = VALUES) -> None:
        super().__init__(server)
        admins = self.directory / "admins"
        server.write_kubeconfig(admins, server.tokens["admin"], self.namespace)
        self.helm = Helm(self.directory / "helm", self.namespace, admins)
        self.helm.release("install", values)

    def get(self, *path: str) -> Any:
        """Give an object, or a list, of the core group: its kind and its name."""
        return self.server.ask("GET", f"/api/v1/namespaces/{self.namespace}/{'/'.join(path)}")

    def _token(self) -> str:
        """Give one of the chart's account, as the kubelet asks for it."""
        path = f"/api/v1/namespaces/{self.namespace}/serviceaccounts/{NAME}/token"
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        return str(self.server.ask("POST", path, request)["status"]["token"])

    def _pod(self, name: str, address: str) -> Pod:
        apps = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/{NAME}"
        template = self.server.ask("GET", apps)["spec"]["template"]
        document = {**template, "apiVersion": "v1", "kind": "Pod", "metadata": {**template["metadata"], "name": name}}
        self.server.ask("POST", f"/api/v1/namespaces/{self.namespace}/pods", document)
        pod = ChartPod(self, name, address)
        self._cleaning.callback(pod.end)
        return pod

    def selected(self, service: str) -> list[str]:
        """Give the pods that a Service selects."""
        wanted = self.get("services", service)["spec"]["selector"]
        selector = urlencode({"labelSelector": ",".join(f"{name}={value}" for name, value in wanted.items())})
        return [each["metadata"]["name"] for each in self.get(f"pods?{selector}")["items"]]

    def forwarded(self) -> dict[int, int]:
        """Give the forwarding Service's ports, and their node ports."""
        ports = self.get("services", f"{NAME}-forwarding")["spec"]["ports"]
        return {each["port"]: each["nodePort"] for each in ports}
