"""Reads what is not known yet of a build: its small files, its metadata, and the hashes of the rest, each once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.logger import Logger

from webspaced.errors import Invalid, NotFound, Temporary
from webspaced.images.core.names import Build
from webspaced.images.core.release import Asset
from webspaced.images.core.verdict import texts_wanted
from webspaced.images.interfaces import ISource
from webspaced.images.ledger import Ledger
from webspaced.images.reading import hash_file, hash_root, metadata_of, text_of
from webspaced.images.store import Store
from webspaced.lib.threads import Threads


class Learner:
    """For the builds of one stream."""

    log = Logger()

    def __init__(self, source: ISource, store: Store, ledger: Ledger, threads: Threads) -> None:
        self._source, self._store, self._ledger, self._threads = source, store, ledger, threads

    async def learn(self, build: Build) -> bool:
        """Read what is not known of a build; gives whether anything was read.

        What cannot be read for good is noted as that; what cannot be had now is tried again at the next look.
        """
        known = len(self._ledger.facts.sha256) + len(self._ledger.facts.texts) + len(self._ledger.facts.troubles)
        try:
            await self._learn(build)
        except (Temporary, NotFound, OSError) as error:
            self.log.warn("{name} is not listed yet: {error}", event="images.unread", name=build.name, error=str(error))
        facts = self._ledger.facts
        return len(facts.sha256) + len(facts.texts) + len(facts.troubles) != known

    async def _learn(self, build: Build) -> None:
        for asset in texts_wanted(build):
            await self._once("texts", asset, text_of)
        if build.metadata is not None:
            await self._described(build.metadata)
            for root in build.roots.values():
                await self._root(build.metadata, root)
        if build.unified is not None:
            await self._described(build.unified)
        for delta in build.deltas.values():
            await self._once("sha256", delta, hash_file)

    async def _described(self, asset: Asset) -> None:
        await self._once("sha256", asset, hash_file)
        await self._once("metadata", asset, metadata_of)

    async def _root(self, metadata: Asset, root: Asset) -> None:
        facts = self._ledger.facts
        if {metadata.id, root.id} & set(facts.troubles) or (metadata.id, root.id) in facts.combined:
            return
        try:
            first = await self._store.whole(metadata, self._source.fetch)
            path = await self._store.whole(root, self._source.fetch)
            alone, both = await self._threads.run(hash_root, first, path)
        except (Invalid, ValueError) as error:
            self._ledger.note("troubles", root.id, str(error))
        else:
            self._ledger.note("sha256", root.id, alone)
            self._ledger.note("combined", (metadata.id, root.id), both)

    async def _once(self, kind: str, asset: Asset, read: Callable[[Path], Any]) -> None:
        if asset.id in getattr(self._ledger.facts, kind) or asset.id in self._ledger.facts.troubles:
            return
        try:
            path = await self._store.whole(asset, self._source.fetch)
            self._ledger.note(kind, asset.id, await self._threads.run(read, path))
        except (Invalid, ValueError) as error:
            self._ledger.note("troubles", asset.id, str(error))
