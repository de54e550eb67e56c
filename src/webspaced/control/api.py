"""What can be asked, by path."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from attrs import frozen
from klein import Klein
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest

from webspaced.audit.trail import Trail
from webspaced.control import views
from webspaced.control.audited import order
from webspaced.control.documents import Kept
from webspaced.control.operator import operator_of
from webspaced.core.desired import AUTO, Desired, Wish, parse_wish, suspension
from webspaced.errors import Conflict, Invalid, NotFound, RemoteError, Unavailable
from webspaced.http.bodies import body_too_large, check_known, optional_text, parse_object, text_member
from webspaced.http.problems import answer
from webspaced.interfaces import IInstances
from webspaced.parts.knowledge import Knowledge
from webspaced.reconcile.publisher import Publisher
from webspaced.reconcile.reconciler import Reconciler
from webspaced.reload.live import Reloaded
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.power import Power
from webspaced.webspaces.sleeper import Sleeper

PARALLEL = 8
"""States that LXD is asked for at a time."""
LARGEST = 16 << 20
"""Bytes of an import: ten thousand documents have three megabytes."""


@frozen(kw_only=True)
class Backing:
    """What stands behind it."""

    known: Knowledge
    publisher: Publisher
    reconciler: Reconciler
    sleeper: Sleeper
    power: Power
    leads: Callable[[], bool]
    standing: Callable[[], views.Standing]
    reload: Callable[[], Reloaded]


class Control:
    """The operator's calls. A daemon that does not lead refuses every change."""

    app = Klein()
    log = Logger()

    def __init__(self, backing: Backing) -> None:
        self._with = backing
        self._kept = Kept(backing.known.registry, backing.known.instances, backing.known.documents)

    @property
    def trail(self) -> Trail:
        """Where orders are told of."""
        return self._with.known.trail

    def uid_of(self, who: str) -> int:
        """Give the id of a webspace's user; errors as of :meth:`_observed`."""
        return self._observed(who).uid

    @app.handle_errors(Exception)
    def on_error(self, request: IRequest, failure: Failure) -> bytes:
        """Answer every error."""
        return answer(request, failure)

    @app.route("/status", methods=["GET"])
    def status(self, request: IRequest) -> bytes:
        """How the daemon stands."""
        operator_of(request)
        known = self._with.known
        return _given(request, views.status(self._with.standing(), known.registry, known.conditions))

    @app.route("/webspaces", methods=["GET"])
    async def webspaces(self, request: IRequest) -> bytes:
        """All webspaces; ``?memory=1`` asks LXD for the memory of each that has processes."""
        operator_of(request)
        everybody = sorted(self._with.known.registry, key=lambda each: each.uid)
        memory = await self._memory(everybody) if _is_set(request, b"memory") else {}
        shown: list[dict[str, Any]] = []
        gently = self._with.known.registry.gently
        await gently.each(everybody, lambda each: shown.append(self._shown(each, memory.get(each.uid))))
        return _given(request, {"webspaces": [*shown, *self._unreadable()]})

    def _unreadable(self) -> list[dict[str, Any]]:
        known = self._with.known
        conditions = known.conditions.everybody().items()
        return [
            views.unreadable(uid, known.registry.name_of(uid), kinds)
            for uid, kinds in conditions if known.registry.get(uid) is None
        ]  # fmt: skip

    def _shown(self, observed: Observed, memory: int | None) -> dict[str, Any]:
        rest = self._with.sleeper.rest(observed)
        return views.webspace(observed, rest, self._with.known.conditions.of(observed.uid), memory)

    async def _memory(self, everybody: list[Observed]) -> Mapping[int, int]:
        found: dict[int, int] = {}
        instances: IInstances = self._with.known.instances

        async def ask(observed: Observed) -> None:
            try:
                state = await instances.state(observed.name)
            except (RemoteError, NotFound):
                return
            found[observed.uid] = int((state.document.get("memory") or {}).get("usage") or 0)

        alive = [observed for observed in everybody if observed.lives]
        await self._with.known.registry.gently.side_by_side(PARALLEL, alive, ask)
        return found

    @app.route("/routes", methods=["GET"])
    def routes(self, request: IRequest) -> bytes:
        """What is published, and where it is not what is wanted."""
        operator_of(request)
        publisher = self._with.publisher
        differing = {
            name: {"wanted": views.route(wanted), "actual": views.route(actual), "why": publisher.unwritten.of(name)}
            for name, (wanted, actual) in publisher.differences().items()
        }
        actual = {name: views.route(each) for name, each in publisher.routes().items()}
        return _given(request, {"routes": actual, "differing": differing})

    @app.route("/sync", methods=["POST"])
    @order("order.sync")
    async def sync(self, request: IRequest) -> bytes:
        """Read everything anew from LXD, look at the store of routes, and bring all in order."""
        by = self._asked_to_change(request)
        self.log.info("{by} asks for a full pass", event="control.pass-asked", by=by)
        await self._with.reconciler.full_pass()
        await self._with.publisher.check()
        return self.status(request)

    @app.route("/reload", methods=["POST"])
    @order("order.reload")
    async def reload(self, request: IRequest) -> bytes:
        """Read the settings again; ``{"applied": […], "restart": […]}`` are the keys that have changed."""
        # Of a daemon that stands by, too: the settings are each daemon's own.
        by = operator_of(request)
        self.log.info("{by} asks for the settings to be read again", event="control.reload-asked", by=by)
        return _given(request, self._with.reload().to_json())

    @app.route("/webspaces/<who>/desired", methods=["PUT"])
    @order("order.want")
    async def desired(self, request: IRequest, who: str) -> bytes:
        """Suspend a webspace, or let it be: ``{"desired": "suspended" | "auto", "reason"?, "publicReason"?}``."""
        by = self._asked_to_change(request)
        observed, body = self._observed(who), _body(request)
        wanted = _wanted(body, by)
        if wanted.wish is Wish.AUTO and observed.webspace.desired.wish is not Wish.SUSPENDED:
            message = f"webspace {observed.uid} is not suspended"
            raise Conflict(message)
        self.log.info(
            "{by} wants webspace {webspace} to be {wish}",
            event="control.wish-asked",
            by=by,
            webspace=observed.uid,
            wish=wanted.wish.value,
        )
        await self._with.power.want(observed.uid, wanted, by_admin=True)
        return _given(request, {"id": observed.uid, **wanted.to_json()})

    @app.route("/webspaces/<who>/evict", methods=["POST"])
    @order("order.evict")
    async def evict(self, request: IRequest, who: str) -> bytes:
        """Stop a webspace in order, as if nobody had used it for long: the next visit wakes it."""
        by = self._asked_to_change(request)
        observed = self._observed(who)

        async def at_once() -> bool:
            return True

        self.log.info("{by} evicts webspace {webspace}", event="control.eviction-asked", by=by, webspace=observed.uid)
        done = await self._with.power.stop_idle(observed.uid, at_once)
        return _given(request, {"id": observed.uid, "stopped": done, "status": observed.instance.status.name.lower()})

    @app.route("/documents", methods=["GET"])
    async def export(self, request: IRequest) -> bytes:
        """All documents."""
        operator_of(request)
        return _given(request, await self._kept.exported())

    @app.route("/documents", methods=["PUT"])
    @order("order.restore", lambda request: b"write" in (request.args or {}))
    async def restore(self, request: IRequest) -> bytes:
        """Compare with what was exported, and with ``?write=1`` write what differs."""
        by = self._asked_to_change(request)
        self._with.known.documents.check_complete()
        wanted = self._kept.parsed(_body(request))
        told = await self._kept.differences(wanted)
        if _is_set(request, b"write"):
            self.log.info(
                "{by} restores the documents of {names}", event="control.restore-began", by=by, names=sorted(told["changes"])
            )
            told["failed"] = await self._kept.restore({name: wanted[name] for name in told["changes"]})
            self.log.info("restored, but for {failed}", event="control.restore-ended", failed=dict(told["failed"]) or "none")
        return _given(request, told)

    def _asked_to_change(self, request: IRequest) -> str:
        """Give who asks.

        :raises Unavailable: another daemon leads, LXD is away, or this one is still starting.
        """
        by, standing = operator_of(request), self._with.standing()
        if not standing.leads:
            why = "stands by: ask the one that leads" if standing.ready else "is still starting"
            message = f"this webspaced {why}" if standing.lxd else "LXD is away"
            raise Unavailable(message)
        return by

    def _observed(self, who: str) -> Observed:
        """Find a webspace by ``id:<number>``, by its instance's name, or by its member's.

        :raises NotFound: there is none.
        :raises Conflict: there are several.
        """
        registry = self._with.known.registry
        found = [each for each in registry if who in (f"id:{each.uid}", each.name, each.username)]
        if not found:
            message = f"there is no webspace of {who}"
            raise NotFound(message)
        if len(found) > 1:
            several = ", ".join(f"id:{each.uid}" for each in found)
            message = f"{who} may be {several}: name it by its id"
            raise Conflict(message)
        return found[0]


def _wanted(body: dict[str, Any], by: str) -> Desired:
    check_known(body, ("desired", "reason", "publicReason"))
    wish = parse_wish(body.get("desired"))
    if wish is Wish.SUSPENDED:
        return suspension(by, text_member(body, "reason"), optional_text(body, "publicReason") or "")
    if wish is Wish.STOPPED:
        message = "that is its member's to say: suspend it, or evict it"
        raise Invalid(message)
    return AUTO


def _is_set(request: IRequest, name: bytes) -> bool:
    """Whether a query says ``name=1``.

    :raises Invalid: it says something else of it.
    """
    given = (request.args or {}).get(name)
    if given not in (None, [b"1"]):
        message = f"{name.decode()} can be 1, or be left out"
        raise Invalid(message)
    return given is not None


def _body(request: IRequest) -> dict[str, Any]:
    content = request.content.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise body_too_large(LARGEST)
    return parse_object(content)


def _given(request: IRequest, document: Mapping[str, Any]) -> bytes:
    request.setHeader(b"content-type", b"application/json")
    return json.dumps(document).encode()
