"""Calls that change something, or try to, in the audit log: one line each, once it is known how the call ended.

A client may go away before that: its change goes on, and so does what is told of it.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Mapping
from contextvars import ContextVar
from typing import Any, TypeVar

from attrs import define, field, frozen
from klein import Klein
from twisted.internet.defer import CancelledError, Deferred
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

from webspaced.audit.cause import Cause
from webspaced.audit.trail import CANCELLED, FAILED, OK, REFUSED, Trail
from webspaced.http.about import About
from webspaced.http.problems import problem_of
from webspaced.lib import deferreds
from webspaced.vocabulary.actions import CALLS, Action

T = TypeVar("T")
CALL: ContextVar[Call] = ContextVar("call")
LONGEST = 1024
"""Bytes of a path that is looked at."""
READING = frozenset({b"GET", b"HEAD", b"OPTIONS"})
UPGRADED = (b"/exec", b"/console")
"""What a WebSocket is opened at."""
SWITCHED = 101
NOBODY: Mapping[str, Any] = {"kind": "nobody"}
_OF = {action.endpoint: action for action in CALLS}


@frozen
class Audited:
    """Which calls are told of, and where."""

    trail: Trail
    _maps: tuple[MapAdapter, ...]

    @classmethod
    def of(cls, trail: Trail, apps: Iterable[Klein]) -> Audited | None:
        """Tell of the calls of these; ``None`` where nothing is told of."""
        return cls(trail, tuple(app.url_map.bind("") for app in apps)) if trail.is_on else None

    def call(self, request: Any, about: About) -> Call | None:
        """Give the call that a request is; ``None`` if it could change nothing."""
        reads = request.method in READING and not request.path.endswith(UPGRADED)
        found = None if reads or len(request.path) > LONGEST else self._action(request)
        if found is None:
            return None
        action, target = found
        return Call(self.trail, action, target, about, began=self.trail.clock.seconds())

    def _action(self, request: Any) -> tuple[Action, Mapping[str, Any]] | None:
        method, path = request.method.decode("ascii", "replace"), request.path.decode("ascii", "replace")
        for urls in self._maps:
            try:
                endpoint, arguments = urls.match(path, method)
            except HTTPException:
                continue
            action = _OF.get(str(endpoint).rpartition(".")[2])
            return None if action is None else (action, arguments)
        return None


@define(eq=False)
class Call:
    """One of them."""

    _trail: Trail
    _action: Action
    _target: Mapping[str, Any]
    about: About
    began: float = 0.0
    _working: int = field(default=0, init=False)
    _error: BaseException | None = field(default=None, init=False)
    _has_worked: bool = field(default=False, init=False)
    _answer: tuple[int, bool] | None = field(default=None, init=False)

    @property
    def cause(self) -> Cause:
        """Give what follows from it."""
        return Cause("call", self._who, self._origin)

    def _who(self) -> Mapping[str, Any]:
        about = self.about
        if about.uid is None:
            return NOBODY
        return {"kind": "admin" if about.is_admin else "member", "id": about.uid, "user": about.user}

    def _origin(self) -> Mapping[str, Any]:
        return {} if self.about.address is None else {"address": str(self.about.address)}

    async def watched(self, work: Coroutine[Any, Any, T]) -> T:
        """Carry out what the call is for."""
        self._working += 1
        self._error, self._has_worked = None, True
        try:
            return await work
        except BaseException as error:
            self._error = error
            raise
        finally:
            self._working -= 1
            self._look()

    def answered(self, status: int, *, complete: bool) -> None:
        """Note that the request is over; ``complete``: its client heard the answer."""
        self._answer = (status, complete)
        self._look()

    def _look(self) -> None:
        if self._answer is None or self._working:
            return
        (status, complete), self._answer = self._answer, None
        if status != SWITCHED:
            self._tell(status, complete=complete)

    def _tell(self, status: int, *, complete: bool) -> None:
        outcome, reason = self._outcome(status, complete=complete)
        about = self.about
        if outcome != OK and not self._trail.may_tell_refusal(str(about.uid or about.address)):
            return
        owner = about.subject
        members: dict[str, Any] = {} if owner is None else {"webspace": owner.id, "owner": owner.username}
        target = {name: value for name, value in self._target.items() if name != "who" or owner is None}
        self._trail.note(
            self._action.name, cause=self.cause, ids={"request_id": about.id}, **members,
            **({"target": target} if target else {}), **({"params": params} if (params := self._params()) else {}),
            outcome=outcome, **({"status": status} if complete else {}), **({"reason": reason} if reason else {}),
            seconds=round(self._trail.clock.seconds() - self.began, 6),
        )  # fmt: skip

    def _params(self) -> Mapping[str, Any]:
        named, body = self._action.params, self.about.body
        return body if named == ("*",) else {name: body[name] for name in named if name in body}

    def _outcome(self, status: int, *, complete: bool) -> tuple[str, str]:
        if not complete and self._error is None:
            return (OK, "") if self._has_worked else (CANCELLED, "its client left")
        if not complete and isinstance(self._error, CancelledError | GeneratorExit):
            return CANCELLED, "its client left"
        if self._error is not None and not complete:
            problem = problem_of(self._error)
            return _word(problem.status), problem.message
        return _word(status), self.about.problem


def _word(status: int) -> str:
    if status < 400:  # noqa: PLR2004
        return OK
    return REFUSED if status < 500 else FAILED  # noqa: PLR2004


def shield(work: Coroutine[Any, Any, T]) -> Deferred[T]:
    """Run what a call is for to its end, as :func:`webspaced.lib.deferreds.shield` does, and note how it ended."""
    call = CALL.get(None)
    return deferreds.shield(work if call is None else call.watched(work))
