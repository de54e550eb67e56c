"""Builds made up for tests."""

from __future__ import annotations

import hashlib
from typing import Any

from attrs import evolve

from webspaced.images.core.facts import Facts, Metadata
from webspaced.images.core.names import Build, builds_of
from webspaced.images.core.release import Asset, Release
from webspaced.images.core.verdict import Listed, judge

DAY = 86400.0
MOMENT = 1_630_000_000.0
"""2021-08-26, 17:46:40 UTC."""


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def asset(name: str, of: str = "", **more: Any) -> Asset:
    return Asset(**{"id": f"{of}{name}", "name": name, "size": 10, "url": f"https://x/{of}{name}", **more})


def release(tag: str, *names: str, prerelease: bool = False, published: float = MOMENT) -> Release:
    names = names or ("lxd.amd64.tar.xz", "rootfs.amd64.squashfs")
    assets = tuple(asset(name, of=f"{tag}/") for name in names)
    return Release(tag=tag, assets=assets, prerelease=prerelease, published=published)


def facts_of(*builds: Build, metadata: Metadata | None = None) -> Facts:
    """All that there is to know, as if each file held its own id."""
    files = [each for build in builds for each in build.files]
    pairs = [(b.metadata.id, root.id) for b in builds if b.metadata for root in b.roots.values()]
    texts = {}
    for build in builds:
        for name, sums in build.sums.items():
            texts[sums.id] = digest(sums.id.removesuffix(sums.name) + name) + "\n"
        if build.combined and build.metadata and "squashfs" in build.roots:
            texts[build.combined.id] = digest(build.metadata.id + build.roots["squashfs"].id)
        if build.manifest:
            texts[build.manifest.id] = "{}"
    return Facts(
        sha256={each.id: digest(each.id) for each in files},
        combined={(one, other): digest(one + other) for one, other in pairs},
        metadata={each.id: metadata or Metadata(created=MOMENT) for each in files},
        texts=texts,
    )


def listed(*releases: Release, metadata: Metadata | None = None) -> list[Listed]:
    builds = [build for each in releases for build in builds_of(each)]
    found = [judge(build, facts_of(build, metadata=metadata)) for build in builds]
    assert all(isinstance(each, Listed) for each in found), found
    return [each for each in found if isinstance(each, Listed)]


def made_at(one: Listed, moment: float) -> Listed:
    return evolve(one, metadata=evolve(one.metadata, created=moment))
