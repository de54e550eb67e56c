"""Leading and exposing ports, on a real API server, with the rights that the chart gives."""

from __future__ import annotations

from twisted.internet import reactor

from tests.contracts.exposure import ExposureContract
from tests.contracts.kube_lease import KubeLeaseContract
from tests.kube.served import ServedCase
from tests.kube_server import RBAC


class LimitedCase(ServedCase):
    """``client`` is webspaced's, ``operator`` may do everything."""

    def setUp(self) -> None:
        super().setUp()
        self.server.allow("webspaced", RBAC / "webspaced.yaml", self.namespace)
        self.operator, self.client = self.client, self.client_with(self.server.tokens["webspaced"])


class LeaseTests(LimitedCase, KubeLeaseContract):
    def setUp(self) -> None:
        super().setUp()
        self.make_leases()


class ExposureTests(LimitedCase, ExposureContract):
    def setUp(self) -> None:
        super().setUp()
        self.clock = reactor
