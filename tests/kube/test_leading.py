"""Leading and exposing ports, on a real API server."""

from __future__ import annotations

from twisted.internet import reactor

from tests.contracts.exposure import ExposureContract
from tests.contracts.kube_lease import KubeLeaseContract
from tests.kube.served import ServedCase


class LeaseTests(ServedCase, KubeLeaseContract):
    def setUp(self) -> None:
        super().setUp()
        self.make_leases()


class ExposureTests(ServedCase, ExposureContract):
    def setUp(self) -> None:
        super().setUp()
        self.clock = reactor
