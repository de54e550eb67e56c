"""The real LXD and the real Incus do what the simulator does."""

from __future__ import annotations

from typing import Any

from tests.contracts.lxd_inside import InsideContract
from tests.contracts.lxd_power import PowerContract
from tests.contracts.lxd_things import ThingsContract
from tests.real.servers import INCUS_VARIABLE, ServerCase
from webspaced.testing.lxd.flavour import INCUS, LXD, Flavour


class ApiCase(ServerCase):
    flavour: Flavour = LXD

    async def cleared(self) -> None:
        for each in getattr(self, "opened", ()):
            each.transport.transport.abortConnection()
        await self.remove_all()  # type: ignore[attr-defined]  # the contract's

    def late(self, what: str) -> None:
        """See the contract: the machine may be busy."""

    async def socket(self, path: str) -> Any:
        socket = await super().socket(path)  # type: ignore[misc]
        self.opened = [*getattr(self, "opened", ()), socket]
        return socket


class LxdPowerTests(ApiCase, PowerContract):
    pass


class LxdThingsTests(ApiCase, ThingsContract):
    pass


class LxdInsideTests(ApiCase, InsideContract):
    pass


class IncusCase(ApiCase):
    flavour = INCUS
    variable = INCUS_VARIABLE


class IncusPowerTests(IncusCase, PowerContract):
    pass


class IncusThingsTests(IncusCase, ThingsContract):
    pass


class IncusInsideTests(IncusCase, InsideContract):
    pass
