"""What a member may do inside a webspace: commands, terminals, the console. A stopped webspace is woken first."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from twisted.internet.interfaces import IConsumer

from webspaced.core.boot import Hold
from webspaced.core.command import Bounds, Command, Completed, Size
from webspaced.errors import BootFailed, NotRunning, RemoteError
from webspaced.interfaces import IInsides
from webspaced.webspaces.activity import Activity
from webspaced.webspaces.attended import AttendedScreen, AttendedTerminal
from webspaced.webspaces.booter import Booter
from webspaced.webspaces.documents import Documents
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.power import check_has_member, check_wanted
from webspaced.webspaces.registry import Registry

T = TypeVar("T")


class Insides:
    """Webspaces by user id. Every method raises ``NotFound`` where there is no webspace, and as :class:`IBootGate` does."""

    def __init__(
        self, registry: Registry, documents: Documents, booter: Booter, activity: Activity, inside: IInsides,
        bounds: Bounds,
    ) -> None:  # fmt: skip
        """:param bounds: of plain commands; terminals last as long as somebody sits at them."""
        self._registry = registry
        self._documents = documents
        self._booter = booter
        self._activity = activity
        self._inside = inside
        self.bounds = bounds

    async def exists(self, uid: int) -> None:
        """Make sure that there is such a webspace, and that it may run: ``Forbidden`` or ``Conflict`` if not."""
        self._check_may_run(await self._documents.present(uid))

    async def run(self, uid: int, command: Command) -> Completed:
        """Run a command to its end; ``OutputTooLarge`` or ``DeadlineExceeded`` if it does more than is good."""
        return await self._in_running(uid, lambda name: self._inside.run(name, command, self.bounds))

    async def attach(self, uid: int, command: Command, size: Size, screen: IConsumer) -> Any:
        """Run a command in a terminal that shows on ``screen``; gives an :class:`ITerminal`."""
        shown = AttendedScreen(self._activity, uid, screen)
        terminal = await self._in_running(uid, lambda name: self._inside.attach(name, command, size, shown))
        return AttendedTerminal(self._activity, uid, terminal)

    async def console(self, uid: int, size: Size, screen: IConsumer) -> Any:
        """Show the console on ``screen``, instead of to whom it was shown; gives an :class:`ITerminal`."""
        shown = AttendedScreen(self._activity, uid, screen)
        terminal = await self._in_running(uid, lambda name: self._inside.console(name, size, shown))
        return AttendedTerminal(self._activity, uid, terminal)

    async def console_log(self, uid: int) -> bytes:
        """Give the console's log; LXD gives each part of it once."""
        return await self._inside.console_log((await self._documents.present(uid)).name)

    async def clear_console_log(self, uid: int) -> None:
        """Empty the console's log."""
        await self._inside.clear_console_log((await self._documents.present(uid)).name)

    async def _in_running(self, uid: int, work: Callable[[str], Coroutine[Any, Any, T]]) -> T:
        name = await self._running(uid)
        try:
            with self._activity.used(uid):
                return await work(name)
        except RemoteError as error:
            after = await self._registry.look(uid)
            if after is not None and after.runs:
                raise
            message = "the webspace stopped meanwhile"
            raise NotRunning(message) from error

    async def _running(self, uid: int) -> str:
        observed = await self._documents.present(uid)
        self._check_may_run(observed)
        if not observed.runs or self._booter.memory(uid).hold not in (Hold.NONE, Hold.DRAINING):
            await self._boot(uid)
        return observed.name

    def _check_may_run(self, observed: Observed) -> None:
        check_wanted(observed)
        check_has_member(observed, self._booter)

    async def _boot(self, uid: int) -> None:
        try:
            await self._booter.boot(uid, by_api=True)
        except BootFailed:
            # Without an address nobody can visit, but its owner can look why.
            after = self._registry.get(uid)
            if after is None or not after.runs:
                raise
