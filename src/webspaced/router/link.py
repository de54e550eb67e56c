"""The router's end of the LAN in the kernel: its addresses, their announcement, and whether packets are passed on.

Source: ip-address(8); https://docs.kernel.org/networking/ip-sysctl.html.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Interface, IPv6Interface
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from webspaced.errors import Unavailable
from webspaced.lib.deferreds import sleep
from webspaced.router.announcing import announcement
from webspaced.router.lan import Lan
from webspaced.router.programs import run

TIMES, BETWEEN = 3, 1.0
"""How often an address is announced when it comes, and seconds between: a bridge may still be learning at the first time."""
FORWARDING = ("net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding")


class Link:
    """The LAN's interface. Both calls are idempotent, and wait for nothing but the kernel."""

    log = Logger()

    def __init__(self, reactor: Any, program: str, lan: Lan, proc: Path = Path("/proc/sys")) -> None:
        """:param program: the path of ``ip``."""
        self._reactor, self._ip, self._lan, self._proc = reactor, program, lan, proc
        self._announcing: Deferred[None] | None = None

    @property
    def _own(self) -> tuple[IPv4Interface | IPv6Interface, ...]:
        return (self._lan.router,) if self._lan.router6 is None else (self._lan.router, self._lan.router6)

    async def take(self) -> None:
        """Have the router's addresses, and announce them three times.

        :raises Unavailable: there is no such interface, or we may not.
        """
        for each in self._own:
            late = ("nodad",) if each.version == 6 else ()  # noqa: PLR2004
            await run(self._reactor, (self._ip, "address", "replace", str(each), "dev", self._lan.interface, *late))
        self.announce()

    async def leave(self) -> None:
        """Have them no more."""
        self._stop()
        for each in self._own:
            try:
                await run(self._reactor, (self._ip, "address", "delete", str(each), "dev", self._lan.interface))
            except Unavailable as error:
                if is_ours(self._lan):
                    self.log.error(  # noqa: TRY400  (Twisted's, and no mistake of ours)
                        "the router's address could not be given up: {error}", event="router.address-kept", error=str(error)
                    )

    def announce(self) -> None:
        """Say three times where the addresses are, now and in a second and in two."""
        self._stop()
        self._announcing = Deferred.fromCoroutine(self._announce())
        self._announcing.addErrback(lambda _cancelled: None)

    def _stop(self) -> None:
        if self._announcing is not None:
            self._announcing.cancel()
            self._announcing = None

    async def _announce(self) -> None:
        for turn in range(TIMES):
            if turn:
                await sleep(self._reactor, BETWEEN)
            try:
                _send(self._lan)
            except OSError as error:
                self.log.warn(
                    "the router's address could not be announced: {error}", event="router.not-announced", error=str(error)
                )

    def forward(self) -> None:
        """Have the kernel pass packets on.

        :raises Unavailable: it does not, and we may not tell it to.
        """
        for key in FORWARDING if self._lan.router6 is not None else FORWARDING[:1]:
            path = self._proc / key
            try:
                if path.read_text(encoding="ascii").strip() == "0":
                    path.write_text("1", encoding="ascii")
            except OSError as error:
                message = f"the kernel passes no packets on, and {key} cannot be set: {error.strerror}"
                raise Unavailable(message) from error


def _send(lan: Lan) -> None:
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((lan.interface, 0))
        mac = wire.getsockname()[4]
        for address in lan.routers:
            wire.send(announcement(mac, address))


def is_ours(lan: Lan) -> bool:
    """Whether this machine has the router's IPv4 address now, whoever gave it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trial:
        try:
            trial.bind((str(lan.router.ip), 0))
        except OSError:
            return False
    return True
