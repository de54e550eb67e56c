"""A release of a repository, or one version's folder of a tree, and the files in it."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import frozen


@frozen(kw_only=True)
class Asset:
    """One file.

    ``id`` stands for its bytes: what is replaced has another one. ``url``: where it is fetched, or a path of this machine.
    ``size`` is in bytes. ``digest``: the SHA-256 that the source tells of, in hexadecimal digits. ``whole``: it is there to
    its end.
    """

    id: str
    name: str
    size: int
    url: str
    digest: str | None = None
    whole: bool = True


@frozen(kw_only=True)
class Release:
    """``published``: seconds since the epoch; 0 where nobody knows."""

    tag: str
    assets: Sequence[Asset]
    prerelease: bool = False
    published: float = 0.0
