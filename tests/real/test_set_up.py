"""The set-up of new webspaces on the real servers."""

from __future__ import annotations

from tests.contracts.lxd_api import LxdApi
from tests.contracts.set_up import SetUpContract
from tests.real.test_lxd_api import ApiCase, IncusCase
from webspaced.lxd.insides import LxdInsides


class LxdSetUpTests(SetUpContract, ApiCase, LxdApi):
    def setUp(self) -> None:
        super().setUp()
        self.insides = LxdInsides(self.client, self.endpoints)


class IncusSetUpTests(SetUpContract, IncusCase, LxdApi):
    def setUp(self) -> None:
        super().setUp()
        self.insides = LxdInsides(self.client, self.endpoints)
