"""Texts for libraries that take nothing but paths."""

from __future__ import annotations

import os


class MemoryFile:
    """A text in memory that has a path, for this process and for as long as this object lives: a key never meets a disk.

    Linux only: memfd_create(2).
    """

    def __init__(self, text: str) -> None:
        self._descriptor = os.memfd_create("webspaced", os.MFD_CLOEXEC)
        with os.fdopen(os.dup(self._descriptor), "wb") as file:
            file.write(text.encode())

    def __del__(self) -> None:
        os.close(self._descriptor)

    @property
    def path(self) -> str:
        """Where it can be opened."""
        return f"/proc/self/fd/{self._descriptor}"
