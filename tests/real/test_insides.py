"""Commands and consoles on the real servers."""

from __future__ import annotations

from tests.contracts.insides import InsidesContract
from tests.real.test_lxd_api import ApiCase, IncusCase


class LxdInsidesTests(ApiCase, InsidesContract):
    pass


class IncusInsidesTests(IncusCase, InsidesContract):
    pass
