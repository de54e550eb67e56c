"""Operators' orders in the audit log: one line each."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from typing import Any

from twisted.web.iweb import IRequest

from webspaced.audit.cause import CAUSE, Cause
from webspaced.audit.trail import FAILED, OK, REFUSED, Trail
from webspaced.control.operator import asking
from webspaced.errors import WebspacedError
from webspaced.http.bodies import LARGEST, parse_object
from webspaced.http.problems import problem_of
from webspaced.lib.ids import within
from webspaced.vocabulary.actions import ACTIONS

Handler = Callable[..., Coroutine[Any, Any, bytes]]


def _always(_request: IRequest) -> bool:
    return True


def order(action: str, changes: Callable[[IRequest], bool] = _always) -> Callable[[Handler], Handler]:
    """Have what a handler does told of as this action.

    :param changes: whether a request is to change anything; else it is none.
    """

    def told(handler: Handler) -> Handler:
        @wraps(handler)
        async def carry_out(control: Any, request: IRequest, **target: str) -> bytes:
            if not changes(request):
                return await handler(control, request, **target)
            with within(CAUSE, _cause(request)):
                return await _Order(control.trail, action, request, target).carried_out(handler, control)

        return carry_out

    return told


class _Order:
    """One of them; ``control`` finds webspaces by the name that a path has."""

    def __init__(self, trail: Trail, action: str, request: IRequest, target: Mapping[str, str]) -> None:
        self._trail = trail
        self._action = ACTIONS[action]
        self._request = request
        self._target = target

    async def carried_out(self, handler: Handler, control: Any) -> bytes:
        began = self._trail.clock.seconds()
        told: dict[str, Any] = {"outcome": OK}
        try:
            return await handler(control, self._request, **self._target)
        except BaseException as error:
            problem = problem_of(error)
            outcome = REFUSED if problem.status < 500 else FAILED  # noqa: PLR2004
            told = {"outcome": outcome, "status": problem.status, "reason": problem.message}
            raise
        finally:
            seconds = round(self._trail.clock.seconds() - began, 6)
            self._trail.note(self._action.name, **self._about(control), **told, seconds=seconds)

    def _about(self, control: Any) -> Mapping[str, Any]:
        body = self._body() if self._action.params else {}
        params = {name: body[name] for name in self._action.params if name in body}
        about: dict[str, Any] = {"params": params} if params else {}
        if "who" in self._target:
            try:
                about["webspace"] = control.uid_of(self._target["who"])
            except WebspacedError:
                about["target"] = dict(self._target)
        return about

    def _body(self) -> Mapping[str, Any]:
        self._request.content.seek(0)
        try:
            return parse_object(self._request.content.read(LARGEST))
        except WebspacedError:
            return {}


def _cause(request: IRequest) -> Cause:
    operator = asking(request)
    return Cause("order", lambda: operator.who, lambda: operator.origin)
