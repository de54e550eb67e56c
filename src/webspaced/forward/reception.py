"""Who may wake a sleeping webspace: not everybody who knocks (scanners, crawlers), and nobody without end.

It is asked only of visits that would cause a boot. Who comes to a webspace that runs, or joins a boot that is under way,
is never refused here.
"""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, field
from twisted.logger import Logger

from webspaced.audit.cause import Cause, Told
from webspaced.core.client_address import IPAddress, IPNetwork, client_address, counted_as, is_in, parse_address
from webspaced.core.visitor import Request
from webspaced.errors import Momentary, Refused
from webspaced.forward.lines import ILine
from webspaced.interfaces import IWakeLook
from webspaced.lib.buckets import Buckets, Rate

VISITOR: Told = {"kind": "visitor"}
UNWOKEN_RETRY_AFTER = 3600.0
"""Seconds: who is not to wake a webspace needs not to try again soon."""
ADDRESSES = 16384
"""Addresses whose boots are remembered."""


class AgentIgnored(Refused):
    """Its user agent is one that wakes nobody."""


class WokeTooMany(Momentary):
    """Its address has woken as many webspaces as it may for now."""


@define(kw_only=True)
class Wakers:
    """Who wakes what.

    ``agents``: pieces, in small letters, of the names of user agents that wake nobody. ``boots``: of each visitor's address.
    ``trusted``: networks of proxies whose ``X-Forwarded-For`` is believed.
    """

    agents: Sequence[str]
    boots: Buckets[str]
    trusted: Sequence[IPNetwork]

    def change(self, agents: Sequence[str], rate: Rate, trusted: Sequence[IPNetwork]) -> None:
        """Go by others from now on; the boots that addresses have caused count on."""
        self.agents, self.boots.rate, self.trusted = agents, rate, trusted


@define
class Reception:
    """Judges who would wake a webspace."""

    log = Logger()
    _look: IWakeLook
    wakers: Wakers
    _has_warned: bool = field(default=False, init=False)

    def hindrance(self, uid: int, line: ILine, request: Request | None = None) -> Refused | None:
        """Give why a visitor may not wait for this webspace now, or ``None``; a boot that it causes is counted.

        :param request: what it asks for, where that is known.
        """
        if not self._look.wakes(uid) or (request is not None and request.is_challenge):
            return None
        if request is not None and request.is_of(self.wakers.agents):
            return AgentIgnored("it is asleep, and visits of this kind do not wake it", UNWOKEN_RETRY_AFTER)
        if not self._look.boots(uid):
            return None
        address = self._address(line, request)
        wait = 0.0 if address is None else self.wakers.boots.take(counted_as(address))
        return WokeTooMany(f"too many webspaces were woken from {address} just now", wait) if wait else None

    def cause(self, port: int, line: ILine, request: Request | None = None) -> Cause:
        """Give what a visit makes webspaced do; ``port`` is the webspace's own."""
        ends = line.ends()
        address = self._address(line, request) or (None if ends is None else ends[0].host)
        origin = {"port": port, **({} if address is None else {"address": str(address)})}
        return Cause("visit", lambda: VISITOR, lambda: origin)

    def _address(self, line: ILine, request: Request | None) -> IPAddress | None:
        """Give whose visit it is; ``None`` where that is not known, as all that is known are trusted proxies."""
        ends = line.ends()
        peer = None if ends is None else parse_address(str(ends[0].host))
        if peer is None:
            return None
        forwarded_for = () if request is None else request.forwarded_for
        if forwarded_for and not is_in(peer, self.wakers.trusted):
            self._warn_of(peer)
        address = client_address(peer, forwarded_for, self.wakers.trusted)
        return None if is_in(address, self.wakers.trusted) else address

    def _warn_of(self, peer: IPAddress) -> None:
        if not self._has_warned:
            self._has_warned = True
            self.log.warn(
                "visitors of sleeping webspaces come from a proxy at {peer}, which is in none of http.trusted_proxies: all"
                " of them count as one address (webspaces.wake.per_address)",
                event="visit.proxy-untrusted",
                peer=str(peer),
            )
