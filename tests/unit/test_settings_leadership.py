"""The settings for more than one daemon, and for what is in Kubernetes."""

from __future__ import annotations

from functools import partial
from typing import Any

from tests.unit.assembled import AssembledCase
from webspaced.assembly import cluster, election
from webspaced.kube.access import Access, fixed_token
from webspaced.kube.exposure import ServicePorts
from webspaced.kube.lease import KubeLease, PodLabel
from webspaced.reconcile.unexposed import Unexposed

ACCESS = Access(url="http://kubernetes.example", namespace="hosting", token=fixed_token("t"))


class LeadershipTests(AssembledCase):
    def setUp(self) -> None:
        self.found: list[str] = []
        self.patch(cluster, "find_access", lambda _reactor: self.found.append("cluster") or ACCESS)
        self.given: dict[str, tuple[Any, ...]] = {}
        for cls in (KubeLease, PodLabel):
            self.patch(election, cls.__name__, partial(self.made, cls))

    def made(self, cls: type[Any], *args: Any) -> Any:
        self.given[cls.__name__] = args
        return cls(*args)

    def election(self, **settings: Any) -> Any:
        return self.build(**settings)._parts.election

    def test_lease(self) -> None:
        refusing = self.election()
        self.assertEqual((refusing.leadership.queues, refusing.mark, self.found), (False, None, []))
        queueing = self.election(leadership={"lease": "kubernetes"})
        self.assertEqual((queueing.leadership.queues, type(queueing.mark), self.found), (True, PodLabel, ["cluster"]))
        self.assertEqual(self.load({"traefik": {"provider": "kubernetes"}}).leadership.lease, "kubernetes")

    def test_name_and_pod(self) -> None:
        self.election(leadership={"lease": "kubernetes", "name": "hosting-leader", "pod": "hosting-0"})
        self.assertEqual(self.given["KubeLease"][1:3], ("hosting", "hosting-leader"))
        self.assertEqual(self.given["PodLabel"][1:], ("hosting", "hosting-0"))
        self.patch(election.socket, "gethostname", lambda: "hosting-1")
        self.given.clear()
        self.election(leadership={"lease": "kubernetes"})
        self.assertEqual(self.given["PodLabel"][2], "hosting-1")

    def test_kubernetes_service(self) -> None:
        self.assertIsInstance(self.build()._parts.exposure, Unexposed)
        exposure = self.build(webspaces={"ports": {"kubernetes_service": "forwards"}})._parts.exposure
        self.assertIsInstance(exposure, ServicePorts)
        self.assertEqual((exposure._namespace, exposure._name), ("hosting", "forwards"))
