"""What tests that run side by side, in processes of their own, must not do at once."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def alone_with(directory: Path, what: str) -> Iterator[None]:
    """Wait until no other test does this to the LXD of a directory.

    :param what: ``trust``, how it listens and whom it trusts, or ``images``.
    """
    with (directory / f"test-{what}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
