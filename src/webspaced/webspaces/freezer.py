"""Freezing webspaces, so that it is known whose freeze that is, whatever goes wrong."""

from __future__ import annotations

import secrets

from twisted.logger import Logger

from webspaced.core.boot import Hold
from webspaced.core.instance import Status
from webspaced.core.sleep import DOZING_KEY, doze_mark
from webspaced.errors import WebspacedError
from webspaced.interfaces import IInstances
from webspaced.webspaces.booter import Booter
from webspaced.webspaces.documents import Documents
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.registry import Registry


class Freezer:
    """Marks and freezes, and thaws what it froze by mistake."""

    log = Logger()

    def __init__(self, registry: Registry, instances: IInstances, documents: Documents, booter: Booter) -> None:
        self._registry = registry
        self._instances = instances
        self._documents = documents
        self._booter = booter
        self._uncertain: set[int] = set()
        """Those that were to be frozen, and have not been seen since to run, or to doze."""

    async def freeze(self, observed: Observed) -> bool:
        """Freeze one that runs, the mark in LXD first; gives whether it dozes now."""
        chance = secrets.token_hex(4)
        await self._documents.change_keys(
            observed.uid, lambda now: {DOZING_KEY: doze_mark(now.instance.incarnation, chance)}
        )
        self._uncertain.add(observed.uid)
        await self._instances.freeze(observed.name)
        return await self._look_after(observed.uid)

    async def _look_after(self, uid: int) -> bool:
        """See what has become of a freeze; gives whether the webspace dozes."""
        after = await self._registry.look(uid)
        if after is not None and after.instance.status is Status.FROZEN and not after.dozes:
            # It restarted itself meanwhile, and would seem to be somebody else's frozen one.
            if not await self._instances.others_work(after.name):
                await self._instances.resume(after.name)
            return False
        self._uncertain.discard(uid)
        return after is not None and after.dozes

    async def mend(self) -> None:
        """Look again at those of which it could not be seen what became of them: LXD failed, or was away."""
        for uid in [uid for uid in self._uncertain if self._booter.memory(uid).hold is Hold.NONE]:
            try:
                await self._look_after(uid)
            except WebspacedError as error:
                self.log.info(
                    "webspace {webspace}, which was to be frozen: {error}",
                    event="doze.outcome-unknown",
                    webspace=uid,
                    error=str(error),
                )
