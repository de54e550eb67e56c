"""Visits to boot ports: whoever would have to wait says first what for."""

from __future__ import annotations

from webspaced.core.opening import is_whole_head
from webspaced.core.visitor import Request, read_request
from webspaced.errors import Refused
from webspaced.forward.means import Destination
from webspaced.forward.visit import SILENCE, Visit
from webspaced.forward.visits import Visits


class WebVisit(Visit):
    """One visitor of a boot port.

    Of a webspace that is ready nothing is looked at. Else the whole head of the first request is, where it is plain HTTP/1;
    it stays where it is, and what cannot be read is held like anything else.
    """

    __slots__ = ("_has_asked", "_request")

    def __init__(self, visits: Visits, destination: Destination, visitor: str = "") -> None:
        super().__init__(visits, destination, visitor)
        self._has_asked = False
        self._request: Request | None = None

    def _listen_first(self) -> None:
        if not self._destination.http:
            super()._listen_first()
            return
        self._has_asked = True
        self._alarm = self._visits.means.clock.callLater(SILENCE, self.gone)
        self._line.await_first(half=True, enough=is_whole_head)

    def began(self, first: bytes) -> None:
        """See :meth:`ILineOwner.began`."""
        if self._has_asked:
            self._request = read_request(first)
        super().began(first)

    def _hear_out(self) -> None:
        # The first byte was enough to tell that it is HTTP.
        if self._destination.http and not self._has_asked:
            self._listen_first()
        else:
            self._hold(None)

    def _hindrance(self) -> Refused | None:
        reception = self._visits.means.reception
        return None if reception is None else reception.hindrance(self._destination.uid, self._line, self._request)
