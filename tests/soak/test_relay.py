"""Half an hour of mixed load through the relay (``make soak``); ``WEBSPACED_TEST_SOAK_SECONDS`` changes that."""

from __future__ import annotations

import os

from tests.relay_soak import Soak as _Soak

SECONDS = float(os.environ.get("WEBSPACED_TEST_SOAK_SECONDS", "1800"))


class RelayTests(_Soak):
    timeout = SECONDS + 300

    async def test_nothing_grows(self) -> None:
        await self.soak(SECONDS)
