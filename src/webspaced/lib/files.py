"""Files that others read while we write them."""

from __future__ import annotations

import os
from pathlib import Path


def make_private_directory(path: Path) -> None:
    """Create a directory, and whichever parents are missing, for its owner only."""
    if not path.parent.exists():
        make_private_directory(path.parent)
    path.mkdir(exist_ok=True, mode=0o700)


def replace_file(path: Path, content: bytes, *, aside: Path | None = None) -> None:
    """Replace a file's content in one step, readable by its owner only; a reader sees the old or the new, never half.

    :param aside: where the new content is written first, on the same file system; by default beside the file.
    """
    temporary = (aside or path.parent) / f".{path.name}.new"
    # What a killed writer left. Only what is new is written to: in a folder that others write to it could be a link.
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
