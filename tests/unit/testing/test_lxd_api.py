"""The simulator does what the real servers do."""

from __future__ import annotations

import json
from typing import Any

from treq.client import HTTPClient

from tests.contracts.lxd_inside import InsideContract
from tests.contracts.lxd_power import PowerContract
from tests.contracts.lxd_things import ThingsContract
from tests.unit.testing.simulated import SimulatedCase
from webspaced.testing.lxd.flavour import INCUS


class ApiCase(SimulatedCase):
    project, name = "default", "c1"

    def setUp(self) -> None:
        super().setUp()
        image = self.lxd.machine.aliased("fast")
        assert image is not None
        self.fingerprint = image.fingerprint

    async def crash(self) -> None:
        self.lxd.machine.crash(self.name)

    async def untrusted(self, path: str) -> tuple[int, Any]:
        self.lxd.api.path.trusted = False
        response = await HTTPClient(self.agent).request("GET", f"http://lxd{path}")
        return response.code, json.loads(await response.content())


class LxdPowerTests(ApiCase, PowerContract):
    pass


class LxdThingsTests(ApiCase, ThingsContract):
    pass


class LxdInsideTests(ApiCase, InsideContract):
    pass


class IncusPowerTests(ApiCase, PowerContract):
    flavour = INCUS


class IncusThingsTests(ApiCase, ThingsContract):
    flavour = INCUS


class IncusInsideTests(ApiCase, InsideContract):
    flavour = INCUS
