"""Starting and stopping webspaces without a visitor noticing more than a wait (design decision 5)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from webspaced.core.boot import Hold, unwanted
from webspaced.core.desired import AUTO, Desired, Wish
from webspaced.core.instance import Status
from webspaced.core.sleep import Depth
from webspaced.core.webspace import Webspace
from webspaced.errors import Conflict, DeadlineExceeded, Forbidden, NotRunning, RemoteError, RoutesUnwritable
from webspaced.interfaces import IInstances, IRoutes
from webspaced.lib.deferreds import sleep
from webspaced.lib.keyed import Busy, KeyedLock, Line
from webspaced.lib.measures import Counted
from webspaced.webspaces.booter import Booter
from webspaced.webspaces.documents import Documents
from webspaced.webspaces.freezer import Freezer
from webspaced.webspaces.hindrances import Hindrances
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.patience import insist
from webspaced.webspaces.registry import Registry


@frozen(kw_only=True)
class StopTimes:
    """Seconds: ``drain`` for requests under way, ``graceful`` for the container's own shutdown before force."""

    drain: float
    graceful: float


class Power:
    """Changes of power state, one at a time for each webspace.

    What is asked for again while it is under way, or next, is the same one: a member who clicks ten times reboots once. One
    more waits at most, and beyond that there is ``Conflict``, so that nobody's queue grows.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        registry: Registry,
        instances: IInstances,
        documents: Documents,
        booter: Booter,
        routes: IRoutes,
        times: StopTimes,
    ) -> None:
        self._clock = clock
        self._registry = registry
        self._instances = instances
        self._documents = documents
        self._booter = booter
        self._routes = routes
        self.times = times
        self._hindrances = Hindrances(clock, instances)
        self.freezer = Freezer(registry, instances, documents, booter)
        self._turn: KeyedLock[int] = KeyedLock()
        self._line: Line[int, None] = Line()
        self.stops = Counted()
        """Stops in order that nobody's idleness caused, by why: ``asked``, or ``unwanted`` for one that is to be off."""
        self._wishes: Line[int, None] = Line()

    async def boot(self, uid: int) -> None:
        """Start a webspace and wait until it has an address; ``Conflict`` if it runs already.

        It is the member's word that it shall run: one that was switched off is so no longer.
        """
        await self._in_line(uid, "boot", self._boot)

    async def shut_down(self, uid: int) -> None:
        """Stop a webspace in order: route, settle, drain, then the container; ``NotRunning`` if it does not run.

        One without a member, which is off and stays so, is as its admin wants it.
        """
        await self._in_line(uid, "shut down", self._shut_down)

    async def reboot(self, uid: int) -> None:
        """Stop and start again; visitors wait meanwhile. ``NotRunning`` if it does not run."""
        await self._in_line(uid, "reboot", self._reboot)

    async def _in_line(self, uid: int, what: str, work: Callable[[int], Coroutine[Any, Any, None]]) -> None:
        try:
            await self._line.join(uid, what, lambda: work(uid))
        except Busy as error:
            message = "the webspace is being booted, rebooted or shut down, and the next such call waits already"
            raise Conflict(message) from error

    async def _boot(self, uid: int) -> None:
        async with self._turn(uid):
            observed = await self._documents.present(uid)
            check_wanted(observed, but_for=Wish.STOPPED)
            check_has_member(observed, self._booter)
            if observed.runs:
                message = "the webspace is running already"
                raise Conflict(message)
            self._hindrances.check_startable(observed)
            if observed.webspace.desired.wish is Wish.STOPPED:
                await self._documents.change(uid, _switched_on)
            await self._booter.boot(uid, by_api=True)

    async def _shut_down(self, uid: int, *, asked: bool = True, forced: bool = False) -> None:
        """:param asked: for itself, and not because of what is wanted: that is carried out whatever goes on.

        :param forced: also where its visitors cannot be led away.
        """
        async with self._turn(uid):
            observed = await self._documents.present(uid)
            if _is_stopped(observed) and observed.webspace.desired.wish is Wish.AUTO and self._booter.unwanted(observed):
                return
            _check_running(observed)
            check_not_paused(observed)
            if asked:
                await self._hindrances.check_idle(observed)
            await self._stop_in_order(observed, forced=forced)
            self.stops.add("asked" if asked else "unwanted")

    async def _stop_in_order(self, observed: Observed, *, forced: bool) -> None:
        with self._held(observed.uid, Hold.DRAINING):
            await self._drained(observed.uid, forced=forced)
            self._booter.hold(observed.uid, Hold.STOPPING)
            await self.halt(observed)

    async def doze(self, uid: int, is_idle: Callable[[], Awaitable[bool]]) -> bool:
        """Freeze a running webspace in order: route, settle, drain, the mark in LXD, then the container.

        ``Conflict`` while LXD works on it, ``Unavailable`` where its visitors cannot be led away.

        :param is_idle: asked last, once visitors come through webspaced.
        :returns: whether it dozes now; not if somebody came meanwhile.
        """
        return await self._put_to_sleep(uid, (Depth.AWAKE,), is_idle, Hold.DOZING, self.freezer.freeze)

    async def stop_idle(self, uid: int, is_idle: Callable[[], Awaitable[bool]]) -> bool:
        """Stop a webspace that nobody uses, in order; what it is told to be stays as it is. As :meth:`doze` in all else."""

        async def stop(observed: Observed) -> bool:
            await self.halt(observed)
            return True

        return await self._put_to_sleep(uid, (Depth.AWAKE, Depth.DOZING), is_idle, Hold.STOPPING, stop)

    async def _put_to_sleep(
        self, uid: int, of_depths: Collection[Depth], is_idle: Callable[[], Awaitable[bool]], hold: Hold,
        act: Callable[[Observed], Awaitable[bool]],
    ) -> bool:  # fmt: skip
        async with self._turn(uid):
            observed = await self._documents.present(uid)
            if observed.depth not in of_depths:
                return False
            await self._hindrances.check_idle(observed, sessions=True)
            with self._held(uid, Hold.DRAINING):
                await self._drained(uid)
                # LXD may have begun something meanwhile, such as a backup.
                await self._hindrances.check_idle(observed)
                if not await is_idle():
                    return False
                self._booter.hold(uid, hold)
                return await act(self._registry.get(uid) or observed)

    async def keep_off(self, uid: int) -> None:
        """Stop a webspace in order if it runs, or dozes, although nobody is to have it."""
        async with self._turn(uid):
            observed = await self._documents.present(uid)
            if (observed.runs or observed.dozes) and self._booter.unwanted(observed):
                await self._stop_in_order(observed, forced=_is_suspended(observed.webspace))
                self.stops.add("unwanted")

    async def _reboot(self, uid: int) -> None:
        async with self._turn(uid):
            observed = await self._documents.present(uid)
            _check_running(observed)
            check_wanted(observed)
            check_has_member(observed, self._booter)
            check_not_paused(observed)
            self._hindrances.check_startable(observed)
            await self._hindrances.check_idle(observed)
            with self._booter.place_kept(uid):
                with self._held(uid, Hold.DRAINING):
                    await self._drained(uid)
                    self._booter.hold(uid, Hold.RESTARTING)
                    await self.halt(observed)
                await self._booter.boot(uid, by_api=True)

    async def want(self, uid: int, desired: Desired, *, by_admin: bool = False) -> None:
        """Say what is wanted of a webspace; unless it is ``auto``, it is stopped in order.

        ``Forbidden`` where an admin has suspended it and no admin asks. ``Unavailable``, with all as it was, where its
        visitors cannot be led away, unless it is suspended. A member's wishes are carried out one after the other, and
        ``Conflict`` is for who has one waiting already; an admin's waits for nobody's clicks.
        """
        if by_admin:
            await self._want(uid, desired, by_admin=True)
            return
        try:
            await self._wishes.join(uid, repr(desired), lambda: self._want(uid, desired, by_admin=False))
        except Busy as error:
            message = "what is wanted of the webspace is being changed, and the next such call waits already"
            raise Conflict(message) from error

    async def _want(self, uid: int, desired: Desired, *, by_admin: bool) -> None:
        def changed(webspace: Webspace) -> Webspace:
            if webspace.desired.wish is Wish.SUSPENDED and not by_admin:
                raise Forbidden(_suspended(webspace.desired))
            return webspace.with_desired(desired)

        there = self._registry.get(uid)
        if desired.wish is Wish.STOPPED and there is not None and (there.runs or there.dozes):
            # As if it were shut down: what LXD works on is not torn from it. An admin's word waits for nobody.
            await self._hindrances.check_idle(there)
        there = await self._documents.present(uid)
        if by_admin:
            # First: what it says now is judged by what was said before.
            await self._registry.words.say(there, desired)
        before = there.webspace.desired
        await self._documents.change(uid, changed)
        now = self._registry.get(uid)
        paused = now is None or (now.instance.status is Status.FROZEN and not now.dozes)
        if desired.wish is not Wish.AUTO and not paused:
            # Not behind what its member asks for: an admin's word waits for nobody's clicks.
            try:
                await self._stop_as_wanted(uid, forced=desired.wish is Wish.SUSPENDED)
            except RoutesUnwritable:
                if by_admin:
                    await self._registry.words.say(there, before)
                await self._documents.change(uid, lambda webspace: _put_back(webspace, desired, before))
                raise

    async def _stop_as_wanted(self, uid: int, *, forced: bool) -> None:
        try:
            await self._shut_down(uid, asked=False, forced=forced)
        except NotRunning:
            # LXD carries a start through that it was asked for before, and says until then that it is stopped.
            await self._booter.start_over(uid)
            with suppress(NotRunning):
                await self._shut_down(uid, asked=False, forced=forced)

    @asynccontextmanager
    async def for_deletion(self, uid: int, *, by_admin: bool = False) -> AsyncIterator[Observed]:
        """Close a webspace to visitors, stop it by force, and keep it so for the time of the context.

        ``Forbidden`` where an admin has suspended it and no admin asks; ``Unavailable`` where visitors would still be led
        there, unless an admin does.
        """
        async with self._turn(uid):
            observed = await self._documents.present(uid)
            if observed.webspace.desired.wish is Wish.SUSPENDED and not by_admin:
                raise Forbidden(_suspended(observed.webspace.desired))
            self._hindrances.check_deletable(observed)
            await self._hindrances.check_idle(observed)
            with self._held(uid, Hold.DELETING):
                await (self._routes.settled(uid) if by_admin else self._routes.led_away(uid))
                if not _is_stopped(observed):
                    await self.force(observed)
                yield observed

    @contextmanager
    def _held(self, uid: int, hold: Hold) -> Iterator[None]:
        self._booter.hold(uid, hold)
        try:
            yield
        finally:
            # Whatever went wrong, the webspace must not stay closed.
            self._booter.hold(uid, Hold.NONE)
            if self._registry.get(uid) is None:
                self._booter.forget(uid)

    async def _drained(self, uid: int, *, forced: bool = False) -> None:
        """Lead visitors away, and wait for requests under way.

        ``Unavailable`` where the route cannot be written: they would meet a container that is stopped, and wake nobody. An
        admin's word is carried out all the same.
        """
        await (self._routes.settled(uid) if forced else self._routes.led_away(uid))
        await sleep(self._clock, self.times.drain)

    async def halt(self, observed: Observed) -> None:
        """Stop gracefully, or after a while by force. One that dozes is thawed for it: it may have to save something."""
        if observed.dozes:
            observed = await self._thawed(observed)
        if observed.runs:
            try:
                await self._instances.stop(observed.name, self.times.graceful, force=False)
            except (RemoteError, DeadlineExceeded) as error:
                self.log.info(
                    "{instance} did not stop by itself: {error}",
                    event="stop.not-by-itself",
                    instance=observed.name,
                    error=str(error),
                )
            else:
                await self._registry.look(observed.uid)
                return
        await self.force(observed)

    async def _thawed(self, observed: Observed) -> Observed:
        try:
            await self._instances.resume(observed.name)
        except (RemoteError, DeadlineExceeded) as error:
            self.log.info(
                "{instance} could not be thawed: {error}", event="stop.not-thawed", instance=observed.name, error=str(error)
            )
        return await self._registry.look(observed.uid) or observed

    async def force(self, observed: Observed) -> None:
        """Stop by force, now; one that has stopped in between is fine."""
        await insist(self._clock, lambda: self._forced(observed))

    async def _forced(self, observed: Observed) -> None:
        try:
            await self._instances.stop(observed.name, self.times.graceful, force=True)
        except RemoteError:
            # It may have stopped in between: only one that still runs is an error.
            now = await self._registry.look(observed.uid)
            if now is not None and not _is_stopped(now):
                raise
        else:
            await self._registry.look(observed.uid)

    async def remove(self, observed: Observed) -> None:
        """Delete a webspace that :meth:`for_deletion` has stopped, once LXD is done with its stop.

        ``Forbidden`` where the operator protects it.
        """
        self._hindrances.check_deletable(observed)
        await insist(self._clock, lambda: self._removed(observed))

    async def _removed(self, observed: Observed) -> None:
        try:
            await self._instances.delete(observed.name)
        except RemoteError:
            # A start that was under way may have ended after the stop.
            await self.force(observed)
            raise


def check_wanted(observed: Observed, *, but_for: Wish = Wish.AUTO) -> None:
    """See to it that a webspace may run: ``Forbidden`` if it is suspended, ``Conflict`` if its member switched it off."""
    desired = observed.webspace.desired
    if desired.wish is Wish.SUSPENDED:
        raise Forbidden(_suspended(desired))
    if desired.wish is Wish.STOPPED and desired.wish is not but_for:
        message = "the webspace is switched off (desired: stopped)"
        raise Conflict(message)


def check_has_member(observed: Observed, booter: Booter) -> None:
    """See to it that a webspace's member is not gone for too long: ``Conflict`` if so. Only admins get to hear that."""
    if booter.is_departed(observed):
        raise Conflict(unwanted(AUTO, departed=True))


def _check_running(observed: Observed) -> None:
    if _is_stopped(observed):
        message = "the webspace is not running"
        raise NotRunning(message)


def check_not_paused(observed: Observed) -> None:
    """See to it that nobody else froze a webspace: it is left so."""
    if observed.instance.status is Status.FROZEN and not observed.dozes:
        message = "the webspace is paused by somebody who looks after LXD; it cannot be started or stopped meanwhile"
        raise Conflict(message)


def _suspended(desired: Desired) -> str:
    by = f" by {desired.by}" if desired.by else ""
    return f"the webspace is suspended{by}: {desired.reason}"


def _is_suspended(webspace: Webspace) -> bool:
    return webspace.desired.wish is Wish.SUSPENDED


def _put_back(webspace: Webspace, wanted: Desired, before: Desired) -> Webspace:
    # Somebody else's word may have come in between.
    return webspace.with_desired(before) if webspace.desired == wanted else webspace


def _switched_on(webspace: Webspace) -> Webspace:
    # An admin's word may have come in between: that is not the member's to take back.
    return webspace.with_desired(AUTO) if webspace.desired.wish is Wish.STOPPED else webspace


def _is_stopped(observed: Observed) -> bool:
    return not observed.runs and observed.instance.status.name in ("STOPPED", "ERROR")
