"""Products of a stream: the builds of an image for an architecture in a channel, and what the operator wants of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from attrs import evolve, field, frozen

from webspaced.images.core.keys import version_keys
from webspaced.images.core.manifest import Manifest, merged
from webspaced.images.core.names import Build
from webspaced.images.core.verdict import Listed
from webspaced.images.core.version import Version

STABLE, EDGE = "stable", "edge"


@frozen(kw_only=True)
class Policy:
    """What the settings say of a stream.

    ``pins``: by image the newest version that is listed, so that later ones are hidden. ``withdrawn``: versions of
    images that are not listed. ``manifests``: by image, before what its release says. ``most``: how many
    versions of a product are listed; 0 for all.
    """

    pins: Mapping[str, Version] = field(factory=dict)
    withdrawn: AbstractSet[tuple[str, Version]] = frozenset()
    manifests: Mapping[str, Manifest] = field(factory=dict)
    most: int = 0

    def admits(self, image: str, version: Version) -> bool:
        """Whether a version may be listed."""
        pin = self.pins.get(image)
        return (image, version) not in self.withdrawn and (pin is None or version <= pin)


@frozen(kw_only=True)
class Product:
    """``listed`` has the builds by their keys, the newest last."""

    image: str
    arch: str
    channel: str
    listed: Mapping[str, Listed]

    @property
    def id(self) -> str:
        """Its id in the documents."""
        return ":".join((self.image, *([] if self.channel == STABLE else [self.channel]), self.arch))

    @property
    def newest(self) -> Listed:
        """The build that has the aliases."""
        return self.listed[max(self.listed)]

    @property
    def aliases(self) -> Sequence[str]:
        """Its names; in the channel ``edge`` with ``/edge`` at their ends."""
        names = dict.fromkeys((self.image, *self.newest.manifest.aliases))
        return [name if self.channel == STABLE else f"{name}/{self.channel}" for name in names]


def wanted(builds: Iterable[Build], policy: Policy) -> Sequence[Build]:
    """Give the builds that could be listed, the newest first: no other one needs to be read."""
    groups: dict[tuple[str, str], list[Build]] = defaultdict(list)
    for each in builds:
        if each.is_complete and policy.admits(each.image, each.version):
            groups[each.image, each.arch].append(each)
    found: dict[int, Build] = {}
    for group in groups.values():
        newest_first = sorted(group, key=lambda each: each.version, reverse=True)
        stable = [each for each in newest_first if not each.prerelease]
        for members in (stable, newest_first):
            found.update((id(each), each) for each in (members[: policy.most] if policy.most else members))
    return sorted(found.values(), key=lambda each: each.version, reverse=True)


def admitted(builds: Iterable[Listed], policy: Policy) -> Sequence[Listed]:
    """Give the builds that may be listed, each with all that is said of its image."""
    return [
        evolve(each, manifest=merged(each.manifest, policy.manifests.get(each.build.image, Manifest())))
        for each in builds
        if policy.admits(each.build.image, each.build.version)
    ]


def products_of(builds: Iterable[Listed], policy: Policy) -> Sequence[Product]:
    """Sort builds into products: releases are ``stable``; ``edge`` has all, where there is a prerelease."""
    groups: dict[tuple[str, str], list[Listed]] = defaultdict(list)
    for each in admitted(builds, policy):
        groups[each.build.image, each.build.arch].append(each)
    found: list[Product] = []
    for (image, arch), group in sorted(groups.items()):
        stable = [each for each in group if not each.build.prerelease]
        for channel, members in ((STABLE, stable), (EDGE, group if len(stable) < len(group) else [])):
            if members:
                listed = _keyed(members, policy.most)
                found.append(Product(image=image, arch=arch, channel=channel, listed=listed))
    return found


def _keyed(builds: Sequence[Listed], most: int) -> Mapping[str, Listed]:
    by_version = {each.build.version: each for each in builds}
    kept = sorted(by_version)[-most:]
    keys = version_keys({version: _made(by_version[version]) for version in kept})
    return {keys[version]: by_version[version] for version in kept}


def _made(listed: Listed) -> float:
    return listed.metadata.created or listed.build.published
