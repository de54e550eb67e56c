"""Visits to boot ports: whoever would have to wait says first what for."""

from __future__ import annotations

from typing import Any

from webspaced.core.opening import is_whole_head
from webspaced.core.visitor import Request, read_request
from webspaced.errors import Refused
from webspaced.forward.counters import PAGED
from webspaced.forward.lines import ILine
from webspaced.forward.means import Destination
from webspaced.forward.states import Stage
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
            # Kept while it waits: it says how, and in which language.
            self._request = read_request(first)
            self._visits.means.diary.asked(self.id, self._request)
        super().began(first)

    def _hear_out(self) -> None:
        # The first byte was enough to tell that it is HTTP.
        if self._destination.http and not self._has_asked:
            self._listen_first()
        else:
            self._hold(None)

    def _hold(self, first: Any) -> None:
        super()._hold(first)
        room = self._visits.means.waiting_room
        if self.stage is Stage.HELD and room is not None and room.takes(self._destination.uid, self._request):
            self._alarm = self._visits.means.clock.callLater(room.manner.page_after, self._show_page)

    def _show_page(self) -> None:
        room, request = self._visits.means.waiting_room, self._request
        if room is None or request is None:
            return
        # First this, then the end of one's own waiting: a boot for which nobody waits is given up.
        page = self._on_its_behalf()(room.page, self._destination, request, self.since)
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.cancel()
        self._visits.count(PAGED)
        self._visits.means.diary.paged(self.id)
        self._part_with(page)

    def _answer_to(self, error: Exception) -> bytes:
        room, request, uid = self._visits.means.waiting_room, self._request, self._destination.uid
        page = None
        if room is not None and request is not None and room.takes(uid, request):
            page = room.refusal(uid, request, error)
        return super()._answer_to(error) if page is None else page

    def _serve(self, backend: ILine) -> None:
        self._be_calm()
        self._request = None
        super()._serve(backend)

    def _asked(self) -> Request | None:
        return self._request

    def _hindrance(self) -> Refused | None:
        reception = self._visits.means.reception
        return None if reception is None else reception.hindrance(self._destination.uid, self._line, self._request)
