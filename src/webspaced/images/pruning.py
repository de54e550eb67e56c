"""Old versions of a folder go: never one that is pinned, or that a delta of a kept one is from.

First they are taken from the list, and only after two hours their files are removed: clients still go by the old list.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from attrs import frozen

from webspaced.images.core.products import Policy
from webspaced.images.core.version import Version
from webspaced.images.folder import INCOMING, write_documents
from webspaced.images.snapshot import LINGER
from webspaced.images.sources.tree import PRUNED, version_folders

DAY = 86400.0
SLACK = 600.0
"""Seconds more: a server looks at its folder now and then."""


@frozen(kw_only=True)
class Retention:
    """What is kept of each image and architecture: the ``versions`` newest, and what is younger than ``days``."""

    versions: int
    days: float = 0.0


@frozen
class Step:
    """``what`` is done with a version's folder: ``list no more`` or ``remove``."""

    what: str
    folder: Path


UNLIST, REMOVE = "list no more", "remove"


def steps(root: Path, retention: Retention, policy: Policy, now: float) -> Sequence[Step]:
    """Say what is to be done; nothing is.

    :param now: seconds since the epoch.
    """
    found = [Step(UNLIST, folder) for folder in _old(root, retention, policy, now)]
    marked = [folder for folder in version_folders(root) if (folder / PRUNED).exists()]
    due = [folder for folder in marked if (folder / PRUNED).stat().st_mtime + LINGER + SLACK < now]
    return [*found, *(Step(REMOVE, folder) for folder in due)]


def carry_out(root: Path, planned: Sequence[Step], policy: Policy) -> None:
    """Do it. Call it while the folder is locked. Killed at any moment it leaves a folder that can be read."""
    for step in planned:
        if step.what == UNLIST:
            (step.folder / PRUNED).touch()
    if planned:
        write_documents(root, policy)
    for step in planned:
        if step.what == REMOVE:
            # Away at once: a folder with some of its files would be another version.
            trash = root / INCOMING / f"{step.folder.parent.name}-{step.folder.name}"
            trash.parent.mkdir(exist_ok=True)
            step.folder.rename(trash)
            shutil.rmtree(trash)


def _old(root: Path, retention: Retention, policy: Policy, now: float) -> Iterator[Path]:
    groups: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for folder in version_folders(root):
        if not (folder / PRUNED).exists():
            *parts, arch, _ = folder.relative_to(root / "images").parts
            groups["/".join(parts), arch].append(folder)
    for (image, _), folders in groups.items():
        newest_first = sorted(folders, key=lambda folder: Version(folder.name), reverse=True)
        # What is newer than a pin is not listed, and does not count.
        listed = [folder for folder in newest_first if policy.admits(image, Version(folder.name))]
        kept = set(listed[: retention.versions]) | {each for each in newest_first if each not in listed}
        kept |= {each for each in newest_first if retention.days and _age(each, now) < retention.days * DAY}
        kept |= _needed(kept, {Version(each.name): each for each in newest_first})
        yield from (each for each in newest_first if each not in kept)


def _age(folder: Path, now: float) -> float:
    return now - max((path.stat().st_mtime for path in folder.iterdir()), default=now)


def _needed(kept: Collection[Path], by_version: Mapping[Version, Path]) -> set[Path]:
    """Give the versions from which deltas of those that are kept are made."""
    names = (path.name for folder in kept for path in folder.glob("rootfs.*.vcdiff"))
    versions = (Version(name.removeprefix("rootfs.").removesuffix(".vcdiff")) for name in names)
    return {by_version[each] for each in versions if each in by_version}
