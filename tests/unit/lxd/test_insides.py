"""Commands and consoles on the simulator."""

from __future__ import annotations

from tests.contracts.insides import InsidesContract
from tests.unit.testing.test_lxd_api import ApiCase
from webspaced.testing.lxd.flavour import INCUS


class LxdInsidesTests(ApiCase, InsidesContract):
    pass


class IncusInsidesTests(ApiCase, InsidesContract):
    flavour = INCUS
