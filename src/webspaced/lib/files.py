"""Files that others read while we write them."""

from __future__ import annotations

import os
from pathlib import Path


def make_private_directory(path: Path) -> None:
    """Create a directory, and whichever parents are missing, for its owner only."""
    if not path.parent.exists():
        make_private_directory(path.parent)
    path.mkdir(exist_ok=True, mode=0o700)


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file's content in one step, readable by its owner only; a reader sees the old or the new, never half."""
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    temporary.replace(path)
