"""The router's table in the kernel: loaded at the start, and again whenever somebody has removed or changed it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from webspaced.errors import Unavailable
from webspaced.lib.periodic import Periodic
from webspaced.router.programs import run
from webspaced.router.rules import REASONS, TABLE

INTERVAL = 15.0
"""Seconds between looks at the table."""


class Firewall(Periodic):
    """Keeps one table as it is to be."""

    log = Logger()

    def __init__(self, reactor: Any, program: str, text: str) -> None:
        """:param program: the path of ``nft``. :param text: its input, which replaces the table."""
        super().__init__(reactor, INTERVAL, "looking at the router's rules", self._look_again)
        self.is_loaded = False
        self.refused: Mapping[str, int] = dict.fromkeys(REASONS, 0)
        """Packets, by reason, since the table was loaded."""
        self.loads = 0
        self._reactor, self._nft, self._text = reactor, program, text
        self._as_loaded = ""

    async def load(self) -> None:
        """Replace the table.

        :raises Unavailable: nft does not take it, or we may not.
        """
        await run(self._reactor, (self._nft, "-f", "-"), self._text)
        self._as_loaded = await self._rules()
        self.is_loaded = True
        self.loads += 1

    def _look_again(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self.look())

    async def look(self) -> None:
        """Read the counters, and load the table again if it is not as it was."""
        if not self.loads:
            return
        try:
            there = await self._rules()
        except Unavailable:
            there = ""
        if there != self._as_loaded or not self.is_loaded:
            self.log.warn("the router's rules were changed by somebody else, and are put back", event="router.rules-changed")
            self.is_loaded = False
            await self.load()
        counters = json.loads(await run(self._reactor, (self._nft, "-j", "list", "counters", "table", "inet", TABLE)))
        found = (each["counter"] for each in counters["nftables"] if "counter" in each)
        self.refused = {each["name"]: int(each["packets"]) for each in found}

    async def _rules(self) -> str:
        # Without what changes by itself: elements of dynamic sets and counters.
        return await run(self._reactor, (self._nft, "-s", "-t", "list", "table", "inet", TABLE))
