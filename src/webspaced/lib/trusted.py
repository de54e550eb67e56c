"""Whose files and folders they are: what root does in somebody else's folder must not end up where that one's links lead.

A link counts only where it stands in a folder of our own or of root's, or was laid there by one of both; else it is refused.
Everything is opened step by step from the root, so that nobody can change the way under our feet.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from attrs import frozen

from webspaced.errors import Invalid

_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# One that may be entered need not be readable.
MOST_LINKS = 40
"""As Linux has it."""


def is_trusted(status: os.stat_result) -> bool:
    """Whether something is root's or our own."""
    return status.st_uid in (0, os.geteuid())


def is_open_to_others(status: os.stat_result) -> bool:
    """Whether others may write to something: everybody, or a group that is neither ours nor root's."""
    group = bool(status.st_mode & stat.S_IWGRP) and status.st_gid not in {0, os.getegid(), *os.getgroups()}
    return bool(status.st_mode & stat.S_IWOTH) or group


@frozen
class Spot:
    """A name in a folder that is held open, whatever becomes of the path that led there."""

    folder: int
    name: str

    def read(self) -> tuple[bytes, os.stat_result]:
        """Give the content, and whose it is; ``FileNotFoundError``."""
        descriptor = os.open(self.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.folder)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(), os.fstat(descriptor)

    def exists(self) -> bool:
        """Whether there is anything of that name, a link that leads nowhere too."""
        try:
            os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def create(self, content: bytes, mode: int, owner: os.stat_result) -> None:
        """Make a new file; root gives it to an owner. ``FileExistsError``."""
        _create(self, content, mode, owner)

    def replace(self, content: bytes, owner: os.stat_result) -> None:
        """Replace the file in one step and for good. Its owner stays: root edits it for a daemon that is not root."""
        new = Spot(self.folder, f".{self.name}.new")
        if new.exists():
            os.unlink(new.name, dir_fd=self.folder)
        _create(new, content, 0o600, owner)
        os.rename(new.name, self.name, src_dir_fd=self.folder, dst_dir_fd=self.folder)

    def owner(self) -> os.stat_result:
        """Give whose folder it is."""
        return os.fstat(self.folder)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's own lock, as whoever does the same does: a file is another one after each edit."""
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self.folder)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _create(spot: Spot, content: bytes, mode: int, owner: os.stat_result) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(spot.name, flags, mode, dir_fd=spot.folder), "wb") as file:
        if os.geteuid() == 0:
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def spot(path: Path, *, make: bool = False) -> Iterator[Spot]:
    """Give where a path leads, links that can be trusted included.

    :param make: make the folders that are missing, for their owner only.
    :raises Invalid: somebody else's link would be followed.
    """
    walk = _Walk(path)
    try:
        yield walk.to_end(make=make)
    finally:
        os.close(walk.folder)


class _Walk:
    """One way from the root to a name."""

    def __init__(self, path: Path) -> None:
        self.folder = os.open("/", _FOLDER)
        self._path = path
        self._left = deque(path.absolute().parts[1:])
        self._links = 0

    def to_end(self, *, make: bool) -> Spot:
        while self._left:
            name = self._left.popleft()
            found = self._look(name)
            if found is not None and stat.S_ISLNK(found.st_mode):
                self._follow(name, found)
                continue
            if not self._left:
                return Spot(self.folder, name)
            if found is None and make:
                with suppress(FileExistsError):
                    # Another command made it in between.
                    os.mkdir(name, 0o700, dir_fd=self.folder)
            self._enter(os.open(name, _FOLDER, dir_fd=self.folder))
        raise IsADirectoryError(f"{self._path} is a folder")

    def _look(self, name: str) -> os.stat_result | None:
        try:
            return os.stat(name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def _enter(self, folder: int) -> None:
        os.close(self.folder)
        self.folder = folder

    def _follow(self, name: str, link: os.stat_result) -> None:
        around = os.fstat(self.folder)
        is_ours = is_trusted(link) and (bool(around.st_mode & stat.S_ISVTX) or not is_open_to_others(around))
        if not is_trusted(around) or not is_ours:
            message = f"{self._path}: {name} on the way there is a link that somebody else can change: name what it leads to"
            raise Invalid(message)
        self._links += 1
        if self._links > MOST_LINKS:
            raise Invalid(f"{self._path}: too many links lead to each other")
        target = Path(os.readlink(name, dir_fd=self.folder))
        if target.is_absolute():
            self._enter(os.open("/", _FOLDER))
        self._left.extendleft(reversed(target.parts[1:] if target.is_absolute() else target.parts))


def check_own_folder(folder: Path, setting: str) -> None:
    """See to it that nobody else has a folder in hand, or anything in it. What is missing will be made, and be ours.

    :raises Invalid: somebody has; the text names what, and the setting.
    """
    inside = (Path(where, name) for where, folders, files in os.walk(folder) for name in (*folders, *files))
    for each in (folder, *inside):
        reason = _strange(each, may_be_sticky=False)
        if reason is not None:
            raise Invalid(f"{each} ({setting}) {reason}: it decides what webspaced and Traefik do")


def strange_above(folder: Path) -> list[str]:
    """Say of which folders above one somebody else could put another in its place."""
    found = ((each, _strange(each, may_be_sticky=True)) for each in folder.parents)
    return [f"{each} {reason}" for each, reason in found if reason is not None]


def strange_owner(status: os.stat_result) -> str | None:
    """Say whose something is, if it is neither root's nor our own."""
    return None if is_trusted(status) else f"belongs to another user (id {status.st_uid})"


def _strange(path: Path, *, may_be_sticky: bool) -> str | None:
    try:
        itself = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        target = path.stat()
    except OSError:
        # A link that leads nowhere, or where we may not look, is somebody's all the same.
        return strange_owner(itself)
    reason = strange_owner(itself) or strange_owner(target)
    if reason is not None:
        return reason
    # In one such as /tmp nobody moves what belongs to others.
    is_safe = may_be_sticky and bool(target.st_mode & stat.S_ISVTX)
    return "may be written to by others" if is_open_to_others(target) and not is_safe else None
