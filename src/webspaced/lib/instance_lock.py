"""One process to a folder, and a name for the installation that the folder belongs to."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
from pathlib import Path

from webspaced.errors import Conflict, Unavailable
from webspaced.lib.files import make_private_directory, replace_file


class InstanceLock:
    """Holds a folder while the process lives, however it ends: the system lets go of it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take it; ``Conflict`` if another process has it, ``Unavailable`` if the folder cannot be written."""
        try:
            make_private_directory(self._path.parent)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise Unavailable(f"{self._path.parent} (data_dir) cannot be written: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            raise Conflict(f"another webspaced runs with {self._path.parent} (data_dir)") from error
        self._descriptor = descriptor

    def let_go(self) -> None:
        """Let others take it; nothing if it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def installation_name(folder: Path) -> str:
    """Give a name that is the same at each start and no other installation's: that of the machine, and a random part.

    It is kept in the folder. ``Unavailable`` if that cannot be written.
    """
    path = folder / "owner"
    try:
        if not path.exists():
            make_private_directory(folder)
            replace_file(path, f"{socket.gethostname()}-{secrets.token_hex(4)}\n".encode())
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"{path} cannot be read or written: {error}") from error
