"""Where visitors want to go, and what their visits need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import field, frozen
from twisted.internet.interfaces import IReactorTime

from webspaced.core.probing import Ask
from webspaced.core.proxy_protocol import ProxyProtocol
from webspaced.forward.diary import Diary
from webspaced.forward.lines import ILines
from webspaced.forward.reception import Reception
from webspaced.forward.refusals import Refusals
from webspaced.interfaces import IBootGate
from webspaced.lib.places import Places

if TYPE_CHECKING:
    from webspaced.forward.waiting import WaitingRoom

TLS = b"\x16"
"""With what TLS begins: a record of the handshake (RFC 8446 section 5.1)."""


@frozen
class Destination:
    """Where a listener's visitors want to go, and what that port is asked before.

    ``proxy_protocol``: how the container is told who they are. ``plain``: the port, if any, for those who speak no TLS but
    plain HTTP. ``on_data``: whether they wake a webspace only when they say something.
    """

    uid: int
    port: int
    asks: Ask = Ask.CONNECTION
    proxy_protocol: ProxyProtocol | None = None
    plain: int | None = None
    on_data: bool = False

    def of(self, first: bytes) -> Destination:
        """Give where who says this first wants to go."""
        if self.plain is None or first.startswith(TLS):
            return self
        return Destination(self.uid, self.plain, Ask.HTTP)

    @property
    def http(self) -> bool:
        """Whether they speak plain HTTP, so that they can be told of failures."""
        return self.asks is Ask.HTTP


@frozen(kw_only=True)
class Means:
    """What every visit needs, shared by all."""

    clock: IReactorTime
    gate: IBootGate
    lines: ILines
    places: Places
    """For those who are held."""
    seats: Places
    """For all, from their first moment to their last: each takes two descriptors."""
    refusals: Refusals
    by_visitor: bool = False
    """Whether visitors come from addresses of their own, and not through Traefik."""
    first_word: float = 0.0
    """Seconds for which a visitor wakes nobody, whatever is said: port scans have left by then."""
    reception: Reception | None = None
    """Judges who wakes a webspace; without one everybody does."""
    diary: Diary = field(factory=Diary)
    waiting_room: WaitingRoom | None = None
    """Gives pages to those who wait before browsers; without one nobody gets any."""
