"""Changing what LXD remembers of a webspace: one change at a time for each webspace, each through LXD's ETag."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from webspaced.core.webspace import KEY, Webspace
from webspaced.errors import Changed, DeadlineExceeded, NotFound, RemoteError, Unavailable
from webspaced.interfaces import IInstances
from webspaced.lib.keyed import KeyedLock
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.registry import AWAY_PAUSE, Registry

TRIES = 8


class Documents:
    """The keyed queue for changes of documents. Starting and stopping does not wait in it."""

    def __init__(self, registry: Registry, instances: IInstances) -> None:
        self._registry = registry
        self._instances = instances
        self._turn: KeyedLock[int] = KeyedLock()

    async def change(self, uid: int, changed: Callable[[Webspace], Webspace]) -> Webspace:
        """Replace a webspace's document and give the **old** one.

        :param changed: gives the new document from the present one; its errors end the change with nothing written.
        """

        def keys(observed: Observed) -> dict[str, str]:
            return {KEY: changed(observed.webspace).dump()}

        return (await self.change_keys(uid, keys)).webspace

    async def change_keys(
        self, uid: int, keys: Callable[[Observed], Mapping[str, str]], *, unfinished: bool = False
    ) -> Observed:
        """Set configuration keys that depend on what is there, and give what was there before. No keys: no write.

        :param unfinished: whether it may still be under creation; see :meth:`present`.
        """
        async def change(before: Observed) -> bool:
            changes = keys(before)
            if changes:
                await self._instances.configure(before.name, changes, before.instance.etag)
            return bool(changes)

        return await self._changed(uid, change, unfinished=unfinished)

    async def give_devices(self, uid: int, devices: Mapping[str, Mapping[str, str]]) -> None:
        """Give a webspace's instance devices of its own."""

        async def change(before: Observed) -> bool:
            await self._instances.give_devices(before.name, devices, before.instance.etag)
            return True

        await self._changed(uid, change, unfinished=False)

    async def _changed(
        self, uid: int, change: Callable[[Observed], Coroutine[Any, Any, bool]], *, unfinished: bool
    ) -> Observed:
        """Carry out a change on what is there now, and again if that has changed; gives what was there before.

        :param change: gives whether it wrote anything.
        """
        async with self._turn(uid):
            for _ in range(TRIES):
                before = await self.present(uid, unfinished=unfinished)
                try:
                    written = await change(before)
                except Changed:
                    # A start or stop changes the ETag, too: read again and redo the change.
                    continue
                if written:
                    await self._see(uid)
                return before
        message = "the webspace changes too often to be changed"
        raise Unavailable(message)

    async def _see(self, uid: int) -> None:
        try:
            await self._registry.look(uid)
        except (RemoteError, DeadlineExceeded) as error:
            message = "LXD took the change, and cannot be read now"
            raise Unavailable(message) from error

    def check_complete(self) -> None:
        """``Unavailable`` until everything has been seen once: changes before that could give somebody's port away."""
        if not self._registry.complete:
            message = "webspaced is still starting"
            raise Unavailable(message)

    def check_all_seen(self) -> None:
        """``Unavailable`` while there are webspaces that nobody could tell of: something of theirs could be given away."""
        if self._registry.never_seen:
            message = "a cluster member is away, and what its webspaces have is not known"
            raise Unavailable(message, retry_after=AWAY_PAUSE)

    async def present(self, uid: int, *, unfinished: bool = False) -> Observed:
        """Read a webspace anew; ``NotFound`` if there is none.

        :param unfinished: whether one counts that is still being created: for nobody but who creates or removes it.
        """
        self.check_complete()
        observed = await self._registry.look(uid)
        if observed is None:
            message = "there is no such webspace"
            raise NotFound(message)
        if observed.unfinished and not unfinished:
            message = "there is no such webspace yet: it is still being created"
            raise NotFound(message)
        return observed
