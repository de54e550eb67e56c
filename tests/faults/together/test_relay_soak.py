"""A minute of mixed load through the relay; the long version is ``make soak``."""

from __future__ import annotations

from tests.relay_soak import Soak as _Soak

SECONDS = 60.0


class RelayTests(_Soak):
    timeout = SECONDS + 120

    async def test_nothing_grows(self) -> None:
        await self.soak(SECONDS)
