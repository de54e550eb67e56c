"""Which builds can be listed: those of which all is known, and nothing contradicts what was published."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from attrs import field, frozen

from webspaced.images.core.facts import Facts, Metadata, read_sum
from webspaced.images.core.manifest import Manifest, read_manifest
from webspaced.images.core.names import SQUASHFS, Build
from webspaced.images.core.release import Asset


@frozen(kw_only=True)
class Listed:
    """A build that can be listed. ``sha256`` is by asset id, ``combined`` by the root's ftype."""

    build: Build
    sha256: Mapping[str, str]
    combined: Mapping[str, str]
    metadata: Metadata
    manifest: Manifest = field(factory=Manifest)


@frozen
class Hidden:
    """Why a build is not listed. ``kind`` is one of `KINDS`."""

    what: str
    kind: str
    detail: str


KINDS: Mapping[str, str] = {
    "differs": "a file is not what its published hash says",
    "incomplete": "files are missing, or not there to their end yet",
    "unread": "its files are not read yet",
    "unreadable": "a file cannot be read, or says nothing of use",
}


def judge(build: Build, facts: Facts) -> Listed | Hidden:
    """Say whether a build can be listed."""
    if not build.is_complete:
        return Hidden(build.name, "incomplete", "it has no metadata or no root")
    for asset in (*build.files, *texts_wanted(build)):
        if asset.id in facts.troubles:
            return Hidden(build.name, "unreadable", f"{asset.name}: {facts.troubles[asset.id]}")
    if unread := _unread(build, facts):
        return Hidden(build.name, "unread", f"{unread} is not read yet")
    if difference := next(_differences(build, facts), None):
        return Hidden(build.name, "differs", difference)
    try:
        return _listed(build, facts)
    except ValueError as error:
        return Hidden(build.name, "unreadable", str(error))


def texts_wanted(build: Build) -> Iterable[Asset]:
    """Give the small files whose texts are wanted: published hashes, and a manifest."""
    sums = (build.sums[each.name] for each in build.files if each.name in build.sums)
    return tuple(each for each in (*sums, build.combined, build.manifest) if each is not None)


def _unread(build: Build, facts: Facts) -> str | None:
    for asset in build.files:
        if asset.id not in facts.sha256:
            return asset.name
    for asset in texts_wanted(build):
        if asset.id not in facts.texts:
            return asset.name
    source = build.metadata or build.unified
    if source is not None and source.id not in facts.metadata:
        return source.name
    pairs = () if build.metadata is None else ((build.metadata.id, root.id) for root in build.roots.values())
    return next((root for metadata, root in pairs if (metadata, root) not in facts.combined), None)


def _differences(build: Build, facts: Facts) -> Iterator[str]:
    for asset in build.files:
        found = facts.sha256[asset.id]
        if asset.digest is not None and asset.digest != found:
            yield f"{asset.name} is {found}, and the release says {asset.digest}"
        sums = build.sums.get(asset.name)
        if sums is not None and (said := read_sum(facts.texts[sums.id])) != found:
            yield f"{asset.name} is {found}, and {sums.name} says {said or 'nothing'}"
    root = build.roots.get(SQUASHFS.ftype)
    if build.combined is not None and root is not None and build.metadata is not None:
        found = facts.combined[build.metadata.id, root.id]
        if (said := read_sum(facts.texts[build.combined.id])) != found:
            yield f"metadata and {root.name} are {found}, and {build.combined.name} says {said or 'nothing'}"


def _listed(build: Build, facts: Facts) -> Listed:
    metadata = build.metadata
    source = metadata or build.unified
    combined = {} if metadata is None else {
        ftype: facts.combined[metadata.id, root.id] for ftype, root in build.roots.items()
    }  # fmt: skip
    return Listed(
        build=build,
        sha256={asset.id: facts.sha256[asset.id] for asset in build.files},
        combined=combined,
        metadata=facts.metadata[source.id] if source is not None else Metadata(),
        manifest=Manifest() if build.manifest is None else read_manifest(facts.texts[build.manifest.id]),
    )
