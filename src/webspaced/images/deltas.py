"""Deltas between roots, by the program xdelta3: a client that has the older image fetches only the difference.

A delta is kept only if it is well below the root itself, and if applying it gave that root, byte by byte.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from attrs import frozen
from twisted.logger import Logger

from webspaced.errors import WebspacedError
from webspaced.images.core.names import SQUASHFS
from webspaced.images.core.products import STABLE, Policy, products_of
from webspaced.images.core.release import Asset
from webspaced.images.core.verdict import Listed
from webspaced.images.core.version import Version
from webspaced.images.interfaces import ISource
from webspaced.images.reading import hash_file
from webspaced.images.store import Store
from webspaced.lib.files import make_private_directory
from webspaced.lib.threads import Threads

PROGRAM = "xdelta3"
WORTH = 0.5
"""Of the root's size: a larger delta saves little, and costs the client memory and time."""
LONGEST = 1800.0
"""Seconds for one delta."""
_NOT_WORTH = b"\0"
"""What stands in the file of a delta that was made once and is of no use, so that it is not made again."""

Of = tuple[str, Version, str]
"""An image, its version and architecture."""


@frozen
class Delta:
    """A delta that is there."""

    asset: Asset
    sha256: str


def make_delta(base: Path, root: Path, target: Path) -> bool:
    """Write the delta between two roots to a file, if it is worth it; blocks.

    :raises WebspacedError: the program is missing, or it failed, or what it made is wrong.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        message = f"deltas need the program {PROGRAM}"
        raise WebspacedError(message)
    again = target.with_name(f"{target.name}.applied")
    try:
        _run(program, "-e", "-f", "-9", "-S", "none", "-s", str(base), str(root), str(target))
        if target.stat().st_size >= root.stat().st_size * WORTH:
            return False
        # As LXD and Incus apply it.
        _run(program, "-d", "-f", "-s", str(base), str(target), str(again))
        if hash_file(again) != hash_file(root):
            message = f"{PROGRAM} made a delta that gives something else"
            raise WebspacedError(message)
        return True
    finally:
        again.unlink(missing_ok=True)


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=LONGEST)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        message = f"{PROGRAM} took longer than {LONGEST:g} s"
        raise WebspacedError(message) from error
    if done.returncode:
        message = f"{PROGRAM} failed: {done.stderr.decode(errors='replace').strip()[-300:]}"
        raise WebspacedError(message)


class Deltas:
    """Makes the deltas of a stream whose source brings none, and keeps them on disk."""

    log = Logger()

    def __init__(self, source: ISource, store: Store, threads: Threads, folder: Path, count: int) -> None:
        """:param count: from how many versions before the newest."""
        self._source, self._store, self._threads = source, store, threads
        self._folder, self._count = folder, count
        self._hashes: dict[str, str] = {}
        self._wanted: set[str] = set()
        """The names of the files that were of use at the last look."""

    async def make(self, listed: Sequence[Listed]) -> Mapping[Of, Mapping[str, Delta]]:
        """Give the deltas to the newest version of each image, by the versions that they are from."""
        self._wanted.clear()
        found: dict[Of, dict[str, Delta]] = {}
        for product in products_of(listed, Policy()):
            builds = [product.listed[key] for key in sorted(product.listed, reverse=True)]
            newest, older = builds[0], builds[1 : self._count + 1]
            if product.channel != STABLE or SQUASHFS.ftype not in newest.combined:
                continue
            of = (newest.build.image, newest.build.version, newest.build.arch)
            found[of] = await self._from(newest, older)
        return found

    async def _from(self, newest: Listed, older: Iterable[Listed]) -> dict[str, Delta]:
        found: dict[str, Delta] = {}
        for base in older:
            if SQUASHFS.ftype in base.combined:
                delta = await self._one(base, newest)
                if delta is not None:
                    found[base.build.version.text] = delta
        return found

    async def _one(self, base: Listed, newest: Listed) -> Delta | None:
        one, other = base.build.roots[SQUASHFS.ftype], newest.build.roots[SQUASHFS.ftype]
        name = f"{newest.sha256[other.id]}-{base.sha256[one.id]}"
        path = self._folder / f"{name}.vcdiff"
        self._wanted.add(path.name)
        if not path.exists():
            try:
                await self._make(base, newest, path)
            except (WebspacedError, OSError) as error:
                self.log.warn("there is no delta to {name}: {error}", event="images.delta-failed",
                              name=newest.build.name, error=str(error))  # fmt: skip
                return None
        if path.stat().st_size == len(_NOT_WORTH):
            return None
        asset = Asset(id=f"delta {name}", name=path.name, size=path.stat().st_size, url=str(path))
        if name not in self._hashes:
            self._hashes[name] = await self._threads.run(hash_file, path)
        return Delta(asset, self._hashes[name])

    async def _make(self, base: Listed, newest: Listed, path: Path) -> None:
        make_private_directory(self._folder)
        before, after = await self._root(base), await self._root(newest)
        partial = path.with_name(f".{path.name}")
        worth = await self._threads.run(make_delta, before, after, partial)
        if not worth:
            partial.write_bytes(_NOT_WORTH)
        partial.rename(path)

    def sweep(self, served: Iterable[Asset]) -> None:
        """Remove what was not of use at the last look, unless it is still served."""
        kept = self._wanted | {Path(asset.url).name for asset in served}
        for path in self._folder.glob("*.vcdiff"):
            if path.name not in kept:
                path.unlink()

    async def _root(self, listed: Listed) -> Path:
        root = listed.build.roots[SQUASHFS.ftype]
        return await self._store.whole(root, self._source.fetch, listed.sha256[root.id])
