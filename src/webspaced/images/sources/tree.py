"""A folder of images, laid out as its files are served: ``images/<image>/<arch>/<version>/<file>``.

``webspaced-images publish`` writes it, and so may others; a folder whose name begins with a dot is not there yet. Files are
``lxd.tar.xz``, ``rootfs.squashfs``, ``root.tar.xz``, ``disk.qcow2``, ``image.tar.gz``, ``manifest.yaml`` and deltas. A file
``edge`` makes the version one of the channel of that name, and ``pruned`` takes it from the list.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from zope.interface import implementer

from webspaced.errors import NotFound
from webspaced.images.core.names import MANIFEST, ROOTS, UNIFIED, image_and_version
from webspaced.images.core.release import Asset, Release
from webspaced.images.interfaces import ISource
from webspaced.lib.threads import Threads

EDGE, PRUNED = "edge", "pruned"
_NAMES = {
    "lxd.tar.xz": "lxd.{arch}.tar.xz",
    ROOTS[0].file: "rootfs.{arch}.squashfs",
    ROOTS[1].file: "rootfs.{arch}.tar.xz",
    ROOTS[2].file: "disk.{arch}.qcow2",
    UNIFIED.file: "image.{arch}.tar.gz",
    MANIFEST: MANIFEST,
}
"""By what a file is called here, what it would be called in a release."""


def releases_in(root: Path) -> Sequence[Release]:
    """Give the versions that are in a folder; one that is not there has none."""
    return tuple(found for folder in _folders(root / "images") if (found := _release(root, folder)) is not None)


def version_folders(root: Path) -> Iterator[Path]:
    """Give the folders of versions, pruned ones as well."""
    return (folder for folder in _folders(root / "images") if _named(root, folder) is not None)


def _folders(folder: Path) -> Iterator[Path]:
    """Give the folders that hold files, in order; not those that are being written."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    inner = [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False) and entry.name[0] != "."]
    if not inner:
        yield folder
    for each in inner:
        yield from _folders(each)


def _named(root: Path, folder: Path) -> tuple[str, str] | None:
    """Give the tag of a release and the architecture that a folder is of."""
    *image, arch, version = folder.relative_to(root / "images").parts or ("", "")
    tag = f"{'/'.join(image)}/{version}"
    return None if image_and_version(tag) is None else (tag, arch)


def _release(root: Path, folder: Path) -> Release | None:
    named = _named(root, folder)
    if named is None or (folder / PRUNED).exists():
        return None
    tag, arch = named
    assets = tuple(filter(None, (_asset(path, arch) for path in sorted(folder.iterdir()))))
    published = max((asset_time(Path(asset.url)) for asset in assets), default=0.0)
    return Release(tag=tag, assets=assets, prerelease=(folder / EDGE).exists(), published=published)


def asset_time(path: Path) -> float:
    """Give when a file was written, in seconds since the epoch."""
    return path.stat().st_mtime


def _asset(path: Path, arch: str) -> Asset | None:
    base = path.name.removeprefix("rootfs.").removesuffix(".vcdiff")
    name = _NAMES.get(path.name) or (f"delta.{{arch}}.{base}.vcdiff" if path.suffix == ".vcdiff" else None)
    if name is None or not path.is_file():
        return None
    status = path.stat()
    return Asset(
        # A file that is written to changes in one of these.
        id=f"{path.parent} {path.name} {status.st_ino} {status.st_size} {status.st_mtime_ns}",
        name=name.format(arch=arch),
        size=status.st_size,
        url=str(path),
    )


@implementer(ISource)
class Tree:
    """See `webspaced.images.interfaces.ISource`; its files are served from where they are."""

    def __init__(self, root: Path, threads: Threads) -> None:
        self._root, self._threads = root, threads

    async def releases(self) -> Sequence[Release]:
        return await self._threads.run(releases_in, self._root)

    async def fetch(
        self, asset: Asset, start: int, begin: Callable[[int], None], feed: Callable[[bytes], None]
    ) -> None:
        message = f"{asset.url} is a file of this machine"
        raise NotFound(message)
