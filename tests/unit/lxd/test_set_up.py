"""The set-up of new webspaces on the simulator."""

from __future__ import annotations

from tests.contracts.lxd_api import LxdApi
from tests.contracts.set_up import SetUpContract
from tests.unit.testing.test_lxd_api import ApiCase
from webspaced.lxd.insides import LxdInsides
from webspaced.testing.lxd.flavour import INCUS


class LxdSetUpTests(SetUpContract, ApiCase, LxdApi):
    def setUp(self) -> None:
        super().setUp()
        self.insides = LxdInsides(self.client, self.endpoints)


class IncusSetUpTests(LxdSetUpTests):
    flavour = INCUS
