"""The real Traefik reads what the store writes to a real API server, each with the rights that the chart gives it."""

from __future__ import annotations

from typing import Any

from twisted.internet.threads import deferToThread

from tests.kube.served import ServedCase
from tests.kube_server import RBAC
from tests.real.kubernetes import KubernetesTraefik
from webspaced.errors import Distrusted
from webspaced.kube.access import Access
from webspaced.kube.client import KubeClient
from webspaced.kube.resources import POD, SECRET, SERVICE, Resource

CONFIG_MAP = Resource(group="", version="v1", plural="configmaps", kind="ConfigMap")


class OnServer:
    """Where it is. Mixed into a :class:`ServedCase` that is one of :mod:`tests.real.kubernetes`, too, before both."""

    timeout = 300

    async def setUp(self: Any) -> None:
        ServedCase.setUp(self)
        for user in ("webspaced", "traefik"):
            self.server.allow(user, RBAC / f"{user}.yaml", self.namespace)
        await super().setUp()

    def access(self: Any, token: str = "") -> Access:
        return ServedCase.access(self, token or self.server.tokens["webspaced"])

    def traefik_access(self: Any) -> dict[str, str]:
        return {
            "endpoint": self.server.url,
            "token": self.server.tokens["traefik"],
            "certAuthFilePath": str(self.server.authority),
        }


class RealTests(OnServer, KubernetesTraefik, ServedCase):
    async def stop_server(self) -> None:
        await deferToThread(self.server.stop_apiserver)

    async def start_server(self) -> None:
        self.server.launch_apiserver()
        await deferToThread(self.server.wait_until_ready)

    async def test_webspaced_may_do_nothing_else(self) -> None:
        client: KubeClient = self.client_with(self.server.tokens["webspaced"])
        refused = ((CONFIG_MAP, self.namespace), (POD, self.namespace), (SERVICE, "default"), (SECRET, "default"))
        for resource, namespace in refused:
            with self.assertRaises(Distrusted):
                await client.list_all(resource, namespace)

