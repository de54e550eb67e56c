"""What the log says of each visit, from its first moment to its last: at the level debug, as anybody can come.

Each line has the visit's id, so that one id finds them all; ``visit.boot`` names the boot that many visits may share.
"""

from __future__ import annotations

from attrs import define, field
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from webspaced.core.request_id import is_request_id
from webspaced.core.visitor import Request
from webspaced.forward.lines import ILine
from webspaced.lib.ids import Ids
from webspaced.lib.spans import ISpan, ITracer

LONGEST_TOLD = 200
"""Characters of what a visitor wrote."""


@define
class Diary:
    """Gives visits their ids, and tells of them where ``is_on``."""

    log = Logger()
    is_on: bool = False
    _tracer: ITracer | None = None
    _ids: Ids = field(factory=lambda: Ids("v"), init=False)

    def new(self) -> str:
        """Give a new visit's id."""
        return self._ids.new()

    def accepted(self, visit_id: str, webspace: int, port: int, line: ILine) -> None:
        """Tell that somebody came."""
        if self.is_on:
            ends = line.ends()
            self.log.debug(
                "a visitor of port {port} of webspace {webspace} from {peer}", event="visit.accepted",
                visit_id=visit_id, webspace=webspace, port=port, peer="-" if ends is None else str(ends[0]),
            )  # fmt: skip

    def asked(self, visit_id: str, request: Request | None) -> None:
        """Tell what a visitor asks for; never its path, and its own id only where it is well formed."""
        if self.is_on and request is not None:
            self.log.debug(
                "it asks {host} by {method}", event="visit.asked", visit_id=visit_id, host=request.host[:LONGEST_TOLD],
                method=request.method[:LONGEST_TOLD], client_id=request.id if is_request_id(request.id) else "",
            )  # fmt: skip

    def held(self, visit_id: str, webspace: int, port: int) -> ISpan | None:
        """Tell that it waits, and begin its trace, where there is one: until the first byte, or its end before that."""
        if self.is_on:
            self.log.debug("it is held", event="visit.held", visit_id=visit_id)
        tracer = self._tracer
        return None if tracer is None else tracer.root("visit", webspace=webspace, port=port, visit_id=visit_id)

    def connected(self, visit_id: str, seconds: float) -> None:
        """Tell that it is relayed, so many seconds after it came or was held."""
        if self.is_on:
            text = "it is connected after {seconds:.3f} s"
            self.log.debug(text, event="visit.connected", visit_id=visit_id, seconds=round(seconds, 6))

    def follow(self, visit_id: str, span: ISpan | None, backend: ILine, clock: IReactorTime) -> None:
        """Tell of the first byte to it, once it comes from there; it was connected now."""
        if (not self.is_on and span is None) or backend.tap is not None:
            return
        began = clock.seconds()

        def first(_piece: memoryview) -> None:
            backend.tap = None
            if span is not None:
                span.end()
            text, seconds = "the first byte of the answer after {seconds:.3f} s more", clock.seconds() - began
            self.log.debug(text, event="visit.first-byte", visit_id=visit_id, seconds=round(seconds, 6))

        backend.tap = first

    def refused(self, visit_id: str, span: ISpan | None, outcome: str, error: str) -> None:
        """Tell that it was not served, by the word that is counted and the reason."""
        if span is not None:
            span.note(outcome=outcome)
            span.end(error)
        if self.is_on:
            self.log.debug(
                "it is refused ({outcome}): {error}", event="visit.refused", visit_id=visit_id, outcome=outcome, error=error
            )

    def paged(self, visit_id: str) -> None:
        """Tell that it waits before a page: when that asks again, it is another visit."""
        if self.is_on:
            self.log.debug("it gets a page that asks again", event="visit.paged", visit_id=visit_id)

    def ended(self, visit_id: str, span: ISpan | None, stage: str, moved: tuple[int, int]) -> None:
        """Tell that it is over, at which stage it was, and the bytes to the container and back."""
        if span is not None:
            span.end()
        if self.is_on:
            self.log.debug(
                "it ended, {stage}: {to_container} B there, {to_visitor} B back", event="visit.ended",
                visit_id=visit_id, stage=stage, to_container=moved[0], to_visitor=moved[1],
            )  # fmt: skip
