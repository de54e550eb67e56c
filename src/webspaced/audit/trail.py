"""One line for each change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from webspaced.audit.cause import CAUSE, Cause
from webspaced.audit.writer import Writer, writer_for
from webspaced.lib import json_lines
from webspaced.lib.logs import IDS
from webspaced.lib.measures import Counted
from webspaced.lib.sparing import Sparing

LONGEST_REASON = 500
OK, REFUSED, FAILED, CANCELLED = "ok", "refused", "failed", "cancelled"


class Trail:
    """Writes the audit log; without a writer nothing is, and nothing costs anything."""

    log = Logger()

    def __init__(self, clock: IReactorTime, now: Callable[[], float], writer: Writer | None = None) -> None:
        """:param now: gives seconds since the epoch."""
        self.clock = clock
        self.writer = writer
        self.owner_of: Callable[[int], str] = lambda _uid: ""
        """Gives the name of a webspace's owner, where it is known."""
        self._now = now
        self._loses, self._lost = False, 0
        self._refusals = Sparing(clock, self.log, "refused changes in the audit log")

    @property
    def is_on(self) -> bool:
        """Whether anything is written."""
        return self.writer is not None

    def counted(self) -> Counted:
        """Give how many lines were written, and how many were lost."""
        found = Counted()
        if self.writer is not None:
            found.add("written", by=self.writer.written)
            found.add("lost", by=self.writer.lost)
        return found

    def may_tell_refusal(self, cause: str) -> bool:
        """Whether one more line may be written of somebody who is refused; a stranger could fill the disk."""
        return self._refusals.may(cause)

    def note(self, action: str, *, cause: Cause | None = None, ids: Mapping[str, str] | None = None, **members: Any) -> None:
        """Write a line.

        :param action: a name of :data:`webspaced.vocabulary.actions.ACTIONS`.
        :param cause: if it is not the context's; ``ids`` as well.
        :param members: ``webspace`` and ``owner``, ``target``, ``params``, ``outcome``, ``status``, ``reason``, ``seconds``.
        """
        if self.writer is None:
            return
        cause = cause or CAUSE.get()
        told = {
            "time": json_lines.moment(self._now()), "action": action, "cause": cause.kind, "who": cause.who(),
            "from": cause.origin(), **self._owned(members),
        }  # fmt: skip
        told.update({each.name: each.get() for each in IDS if each.get(None) is not None} if ids is None else ids)
        if "reason" in told:
            told["reason"] = str(told["reason"])[:LONGEST_REASON]
        self.writer.put(json_lines.line(told))
        self._look_at(self.writer)

    def _owned(self, members: Mapping[str, Any]) -> Mapping[str, Any]:
        uid = members.get("webspace")
        if uid is None or members.get("owner"):
            return members
        return {"webspace": uid, "owner": self.owner_of(uid) or None, **members}

    def _look_at(self, writer: Writer) -> None:
        """Say once in the log that lines are lost, and once that they are written again."""
        if writer.trouble and not self._loses:
            self._loses = True
            self.log.error("lines of the audit log are lost: {error}", event="audit.lost", error=writer.trouble)
        elif self._loses and not writer.trouble:
            self._loses, count, self._lost = False, writer.lost - self._lost, writer.lost
            self.log.info("the audit log is written again; {count} lines were lost", event="audit.found", count=count)


def trail_for(reactor: Any, where: str, now: Callable[[], float]) -> Trail:
    """Give the audit log by the setting ``audit_log``.

    :raises Invalid: its file cannot be written as things are.
    """
    writer = writer_for(where) if where else None
    if writer is not None:
        # When nobody waits for the reactor any more: what still waits has a moment to be written.
        reactor.addSystemEventTrigger("after", "shutdown", writer.close)
    return Trail(reactor, now, writer)
