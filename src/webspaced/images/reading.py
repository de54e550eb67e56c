"""Files of images, read from disk to their ends: hashes, and the metadata in an archive. For threads: they block."""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from webspaced.images.core.facts import Metadata, read_metadata

PIECE = 1024 * 1024
LARGEST_TEXT = 64 * 1024
"""Bytes of a checksum file, a manifest or metadata.yaml: what is longer is none."""
FARTHEST = 64 * 1024 * 1024
"""Bytes of an archive, unpacked, among which its metadata.yaml has to be: distrobuilder and LXD write it first."""


def hash_file(path: Path) -> str:
    """Give the SHA-256 of a file."""
    digest = hashlib.sha256()
    for piece in _pieces(path):
        digest.update(piece)
    return digest.hexdigest()


def hash_root(metadata: Path, root: Path) -> tuple[str, str]:
    """Give the SHA-256 of a root, and that of metadata and root, one after the other; the root is read once."""
    alone, both = hashlib.sha256(), hashlib.sha256()
    for piece in _pieces(metadata):
        both.update(piece)
    for piece in _pieces(root):
        alone.update(piece)
        both.update(piece)
    return alone.hexdigest(), both.hexdigest()


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            yield piece


def text_of(path: Path) -> str:
    """Give the text of a small file; ``ValueError`` if it is none."""
    raw = path.read_bytes() if path.stat().st_size <= LARGEST_TEXT else None
    if raw is None:
        message = "it is too long"
        raise ValueError(message)
    return raw.decode("utf-8", "replace")


class _Bounded(io.RawIOBase):
    """The beginning of a stream: an archive of a few bytes can be unpacked to more than any disk holds."""

    def __init__(self, stream: Any, most: int) -> None:
        super().__init__()
        self._stream, self._left = stream, most

    def read(self, size: int = -1) -> bytes:
        """Give a piece; ``ValueError`` once there was too much."""
        piece: bytes = self._stream.read(size)
        self._left -= len(piece)
        if self._left < 0:
            message = f"there is no metadata.yaml in its first {FARTHEST} bytes"
            raise ValueError(message)
        return piece


def metadata_of(path: Path) -> Metadata:
    """Read ``metadata.yaml`` of a metadata archive or a unified image; ``ValueError`` says what is wrong with it."""
    try:
        with _unpacked(path) as stream, tarfile.open(fileobj=_Bounded(stream, FARTHEST), mode="r|") as archive:
            for member in archive:
                if member.name.removeprefix("./") == "metadata.yaml" and member.isreg():
                    return _read(archive, member)
    except (tarfile.TarError, lzma.LZMAError, EOFError, OSError) as error:
        message = f"it is no archive: {error}"
        raise ValueError(message) from error
    message = "there is no metadata.yaml in it"
    raise ValueError(message)


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Metadata:
    file = archive.extractfile(member) if member.size <= LARGEST_TEXT else None
    if file is None:
        message = "its metadata.yaml is too long"
        raise ValueError(message)
    return read_metadata(file.read().decode("utf-8", "replace"))


def _unpacked(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        start = file.read(6)
    if start.startswith(b"\x1f\x8b"):
        return gzip.open(path)  # type: ignore[return-value]
    return lzma.open(path) if start.startswith(b"\xfd7zXZ") else path.open("rb")
