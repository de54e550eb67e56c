"""A real Traefik takes the arguments that the chart recommends, and finds what they name."""

from __future__ import annotations

import contextlib
import json
import subprocess
import urllib.request
from typing import Any

import yaml

from tests.chart_values import CHART, LEAST, at, merged
from tests.kube.test_chart_applied import AppliedCase
from tests.kube_server import RBAC
from tests.stack import free_port, wait_until
from tests.visitors import PATIENCE
from webspaced.traefik.embedded import find_traefik

ROUTE = {"enabled": True, "hosts": ["api.example.org"], "entryPoints": ["web", "websecure"]}
VALUES = merged(LEAST, at("ingressRoute", ROUTE))


class TraefikTests(AppliedCase):
    def setUp(self) -> None:
        super().setUp()
        self.server.allow("traefik", RBAC / "traefik.yaml", self.namespace)
        self.helm.release("install", VALUES, release="webspaced")
        self.addCleanup(self.helm.run, "uninstall", "webspaced")
        self.api = free_port()
        with (self.folder / "traefik.log").open("wb") as log:
            self.traefik = subprocess.Popen([find_traefik(), *self.arguments()], stdout=log, stderr=log)
        self.addCleanup(self.traefik.wait, PATIENCE)
        self.addCleanup(self.traefik.terminate)

    def arguments(self) -> list[str]:
        recommended = yaml.safe_load((CHART / "traefik-values.yaml").read_text())["additionalArguments"]
        provider = "--providers.kubernetescrd."
        return [
            # As the comment there says.
            *(each.replace("webspaces", self.namespace) for each in recommended),
            f"--entrypoints.web.address=127.0.0.1:{free_port()}", f"--entrypoints.websecure.address=127.0.0.1:{free_port()}",
            f"--entrypoints.traefik.address=127.0.0.1:{self.api}", "--api.insecure=true",
            f"{provider}endpoint={self.server.url}", f"{provider}token={self.server.tokens['traefik']}",
            f"{provider}certauthfilepath={self.server.authority}", "--global.checknewversion=false",
        ]  # fmt: skip

    def routers(self) -> list[dict[str, Any]]:
        if self.traefik.poll() is not None:
            message = f"Traefik ended: {(self.folder / 'traefik.log').read_text()}"
            raise AssertionError(message)
        url = f"http://127.0.0.1:{self.api}/api/http/routers"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            return [each for each in json.loads(answer.read()) if each["provider"] == "kubernetescrd"]
        return []

    def test_the_way_to_the_api_is_taken_up_with_the_middleware_of_the_entry_points(self) -> None:
        wait_until("Traefik has the route", lambda: bool(self.routers()))
        for router in self.routers():
            self.assertEqual((router["status"], router.get("error")), ("enabled", None))
            self.assertEqual(router["middlewares"], [f"{self.namespace}_webspaced-headers@kubernetescrd"])
