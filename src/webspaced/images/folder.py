"""A folder of images as it is written: versions added and taken away, and its documents. A kill at any moment leaves a
stream that can be read.

Beside ``images/`` (see `webspaced.images.sources.tree`) there are ``streams/v1``, a symbolic link that is swapped at once to
a folder with both documents, so that any web server can serve the folder; ``.incoming`` with what is being written; and
``.facts.json`` with what is known of the files.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from twisted.logger import Logger

from webspaced.errors import Conflict, Invalid
from webspaced.images.core.catalogue import IMAGES, INDEX, Catalogue, catalogue_of, delta_file
from webspaced.images.core.manifest import read_manifest
from webspaced.images.core.names import MANIFEST, ROOTS, SQUASHFS, UNIFIED, Build, builds_of, image_and_version
from webspaced.images.core.products import Policy, wanted
from webspaced.images.core.verdict import Hidden, Listed, judge, texts_wanted
from webspaced.images.core.version import Version
from webspaced.images.deltas import make_delta
from webspaced.images.ledger import Ledger
from webspaced.images.reading import hash_file, hash_root, metadata_of, text_of
from webspaced.images.snapshot import Body
from webspaced.images.sources.tree import EDGE, PRUNED, releases_in

INCOMING, GENERATIONS, LOCK = ".incoming", ".generations", ".lock"
METADATA = "lxd.tar.xz"
FILES = (METADATA, *(kind.file for kind in ROOTS), UNIFIED.file, MANIFEST)
"""What a version may have; see `webspaced.images.sources.tree`."""
KEPT_GENERATIONS = 2
log = Logger()


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Be the only one who writes to a folder; others wait. What was killed while it wrote is swept away."""
    root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(root / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        shutil.rmtree(root / INCOMING, ignore_errors=True)
        yield
    finally:
        os.close(descriptor)


def add_version(
    root: Path, image: str, version: str, arch: str, files: Mapping[str, Path], *, edge: bool = False, deltas: int = 0
) -> Path:
    """Put a version into a folder, and give where it is; `write_documents` then lists it. Call it while it is `locked`.

    :param files: by the names of `FILES`.
    :param deltas: from how many versions before it deltas are made.
    :raises Invalid: it could not be listed.
    :raises Conflict: there is such a version.
    """
    _check(image, version, arch, files)
    target = root / "images" / image / arch / version
    if target.exists():
        message = f"{image} {version} ({arch}) is there already"
        raise Conflict(message)
    incoming = root / INCOMING / secrets.token_hex(8)
    incoming.mkdir(parents=True)
    for name, path in files.items():
        _copy(path, incoming / name)
    if edge:
        (incoming / EDGE).touch()
    for base in _bases(target.parent, version, deltas) if SQUASHFS.file in files else ():
        _add_delta(base, incoming)
    _sync(incoming)
    target.parent.mkdir(parents=True, exist_ok=True)
    incoming.rename(target)
    _sync(target.parent)
    return target


def _check(image: str, version: str, arch: str, files: Mapping[str, Path]) -> None:
    if image_and_version(f"{image}/{version}") is None:
        message = f"{image} {version} is no name and version of an image"
        raise Invalid(message)
    if not arch.isascii() or not arch.replace("_", "").isalnum():
        message = f"{arch} is no architecture"
        raise Invalid(message)
    if UNIFIED.file not in files and (METADATA not in files or not {kind.file for kind in ROOTS} & set(files)):
        message = "metadata and a root are needed, or a unified image"
        raise Invalid(message)
    source = files.get(METADATA) or files[UNIFIED.file]
    try:
        metadata_of(source)
        if MANIFEST in files:
            read_manifest(text_of(files[MANIFEST]))
    except ValueError as error:
        message = f"{source}: {error}"
        raise Invalid(message) from error


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as old, target.open("xb") as new:
        shutil.copyfileobj(old, new, 1024 * 1024)
        new.flush()
        os.fsync(new.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _bases(folder: Path, version: str, count: int) -> Sequence[Path]:
    """Give the newest versions before one that have a squashfs."""
    if not count or not folder.is_dir():
        return ()
    found = [each for each in folder.iterdir() if each.name[0] != "." and (each / SQUASHFS.file).is_file()]
    older = [each for each in found if Version(each.name) < Version(version) and not (each / PRUNED).exists()]
    return sorted(older, key=lambda each: Version(each.name), reverse=True)[:count]


def _add_delta(base: Path, incoming: Path) -> None:
    target = incoming / delta_file(base.name)
    if not make_delta(base / SQUASHFS.file, incoming / SQUASHFS.file, target):
        target.unlink()


# --- the documents


def builds_in(root: Path) -> Sequence[Build]:
    """Give what is in a folder."""
    return [build for release in releases_in(root) for build in builds_of(release)]


def read_folder(root: Path, policy: Policy) -> tuple[Catalogue, Sequence[Hidden]]:
    """Read what is new in a folder; give what can be listed of it, and what cannot."""
    ledger = Ledger(root / ".facts.json")
    builds = wanted(builds_in(root), policy)
    for build in builds:
        _learn(build, ledger)
    ledger.forget_others({asset.id for build in builds for asset in (*build.files, *texts_wanted(build))})
    ledger.save()
    verdicts = [judge(build, ledger.facts) for build in builds]
    catalogue = catalogue_of([each for each in verdicts if isinstance(each, Listed)], policy)
    return catalogue, [each for each in verdicts if isinstance(each, Hidden)]


def _learn(build: Build, ledger: Ledger) -> None:
    known = ledger.facts
    for asset in texts_wanted(build):
        if asset.id not in known.texts:
            ledger.note("texts", asset.id, text_of(Path(asset.url)))
    for asset in build.files:
        if asset.id not in known.sha256:
            ledger.note("sha256", asset.id, hash_file(Path(asset.url)))
    described = build.metadata or build.unified
    if described is not None and described.id not in known.metadata:
        try:
            ledger.note("metadata", described.id, metadata_of(Path(described.url)))
        except ValueError as error:
            ledger.note("troubles", described.id, str(error))
    metadata = build.metadata
    for root in build.roots.values():
        if metadata is not None and (metadata.id, root.id) not in known.combined:
            _, both = hash_root(Path(metadata.url), Path(root.url))
            ledger.note("combined", (metadata.id, root.id), both)


def write_documents(root: Path, policy: Policy) -> Catalogue:
    """List what is in a folder from now on; both documents are swapped at once. Call it while it is `locked`."""
    catalogue, hidden = read_folder(root, policy)
    for each in hidden:
        log.error("{name}: {what} is not listed: {error}", event="images.folder-hidden",
                  name=str(root), what=each.what, error=each.detail)  # fmt: skip
    generations = root / GENERATIONS
    generations.mkdir(exist_ok=True)
    number = max((int(each.name) for each in generations.iterdir() if each.name.isdigit()), default=0) + 1
    target = generations / str(number)
    target.mkdir()
    for path, document in ((INDEX, catalogue.index), (IMAGES, catalogue.images)):
        (target / Path(path).name).write_bytes(Body.of(document).plain)
    _sync(target)
    _point(root / "streams" / "v1", Path("..", GENERATIONS, str(number)))
    for old in generations.iterdir():
        if old.name.isdigit() and int(old.name) <= number - KEPT_GENERATIONS:
            shutil.rmtree(old)
    return catalogue


def _point(link: Path, target: Path) -> None:
    link.parent.mkdir(exist_ok=True)
    new = link.with_name(f".{link.name}.new")
    new.unlink(missing_ok=True)
    new.symlink_to(target)
    new.rename(link)
    _sync(link.parent)
