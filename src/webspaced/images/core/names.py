"""What the names of tags and files mean: those of OctoLXD's releases, and more kinds of files in the same way.

A tag is ``<image>/v<version>``; the image's name may have slashes, and ``v`` may be missing. Files are named
``<what>.<arch>.<ending>``; what is between the dots is the architecture as it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from attrs import field, frozen

from webspaced.images.core.release import Asset, Release
from webspaced.images.core.version import Version

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_VERSION = r"v?\d[A-Za-z0-9.+~_-]*"
_TAG = re.compile(rf"(?P<image>{_NAME}(?:/{_NAME})*)/(?P<version>{_VERSION})")
_ARCH = r"(?P<arch>[A-Za-z0-9_]{1,32})"
_METADATA = re.compile(rf"(?:lxd|incus|metadata)\.{_ARCH}\.tar\.xz")
_DELTA = re.compile(rf"delta\.{_ARCH}\.(?P<base>{_VERSION})\.vcdiff")
_COMBINED = re.compile(rf"combined\.{_ARCH}\.sha256")
MANIFEST = "manifest.yaml"
"""What a release says of its image in a file of its own; see `webspaced.images.core.manifest`."""


@frozen
class Kind:
    """A kind of file with a root in it.

    ``ftype``: its name in the documents; ``file``: its last path segment; ``combined``: the keys of the metadata item that
    have the hash of both; ``pattern`` matches its assets' names.
    """

    ftype: str
    file: str
    combined: tuple[str, ...]
    pattern: re.Pattern[str]


SQUASHFS = Kind(
    "squashfs", "rootfs.squashfs", ("combined_squashfs_sha256",), re.compile(rf"rootfs\.{_ARCH}\.squashfs")
)
ROOT_TAR = Kind(
    "root.tar.xz", "root.tar.xz", ("combined_rootxz_sha256", "combined_sha256"), re.compile(rf"rootfs\.{_ARCH}\.tar\.xz")
)
DISK = Kind(
    "disk-kvm.img", "disk.qcow2", ("combined_disk-kvm-img_sha256",), re.compile(rf"disk\.{_ARCH}\.qcow2")
)
ROOTS = (SQUASHFS, ROOT_TAR, DISK)
UNIFIED = Kind("lxd_combined.tar.gz", "image.tar.gz", (), re.compile(rf"image\.{_ARCH}\.tar\.(?:gz|xz)"))
"""Metadata and root in one; its own hash is the fingerprint. Of containers only."""


@frozen(kw_only=True)
class Build:
    """One version of an image for one architecture: the files that are there to their end.

    ``sums``: assets that hold a published SHA-256, by the name of what it is of; ``combined``: that of metadata and root.
    ``deltas``: by the version that they are made from.
    """

    image: str
    version: Version
    arch: str
    prerelease: bool = False
    published: float = 0.0
    metadata: Asset | None = None
    roots: Mapping[str, Asset] = field(factory=dict)
    unified: Asset | None = None
    deltas: Mapping[str, Asset] = field(factory=dict)
    sums: Mapping[str, Asset] = field(factory=dict)
    combined: Asset | None = None
    manifest: Asset | None = None

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"{self.image}/{self.version.text} ({self.arch})"

    @property
    def is_complete(self) -> bool:
        """Whether somebody could start a container or a machine of it."""
        return self.unified is not None or (self.metadata is not None and bool(self.roots))

    @property
    def files(self) -> tuple[Asset, ...]:
        """Those that are served."""
        found = (self.metadata, *self.roots.values(), self.unified, *self.deltas.values())
        return tuple(each for each in found if each is not None)


def image_and_version(tag: str) -> tuple[str, Version] | None:
    """Read a tag; None if it is not one of an image."""
    match = _TAG.fullmatch(tag)
    return None if match is None else (match["image"], Version(match["version"]))


def builds_of(release: Release) -> Iterable[Build]:
    """Give what a release holds, one for each architecture that its files name; incomplete ones, too."""
    read = image_and_version(release.tag)
    if read is None:
        return ()
    whole = {asset.name: asset for asset in release.assets if asset.whole}
    arches = dict.fromkeys(arch for name in whole if (arch := _arch_of(name)) is not None)
    return tuple(_build(release, *read, arch, whole) for arch in arches)


def _arch_of(name: str) -> str | None:
    patterns = (_METADATA, *(kind.pattern for kind in (*ROOTS, UNIFIED)))
    return next((match["arch"] for pattern in patterns if (match := pattern.fullmatch(name))), None)


def _build(release: Release, image: str, version: Version, arch: str, whole: Mapping[str, Asset]) -> Build:
    def first(pattern: re.Pattern[str]) -> Asset | None:
        return next((a for name, a in whole.items() if (m := pattern.fullmatch(name)) and m["arch"] == arch), None)

    deltas = {m["base"]: a for name, a in whole.items() if (m := _DELTA.fullmatch(name)) and m["arch"] == arch}
    return Build(
        image=image,
        version=version,
        arch=arch,
        prerelease=release.prerelease,
        published=release.published,
        metadata=first(_METADATA),
        roots={kind.ftype: asset for kind in ROOTS if (asset := first(kind.pattern)) is not None},
        unified=first(UNIFIED.pattern),
        deltas=deltas,
        sums={name.removesuffix(".sha256"): asset for name, asset in whole.items() if name.endswith(".sha256")},
        combined=first(_COMBINED),
        manifest=whole.get(MANIFEST),
    )
