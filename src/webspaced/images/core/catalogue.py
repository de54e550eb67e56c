"""The two documents of a stream, and the files that they name: always of one set of builds.

The format is simplestreams' as LXD and Incus read it (lxd/shared/simplestreams, incus/shared/simplestreams); what each of
them demands is beside the line that gives it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from attrs import frozen

from webspaced.images.core.names import ROOTS, SQUASHFS, UNIFIED
from webspaced.images.core.products import Policy, Product, products_of
from webspaced.images.core.release import Asset
from webspaced.images.core.verdict import Listed
from webspaced.images.core.version import Version

INDEX, IMAGES = "streams/v1/index.json", "streams/v1/images.json"
Document = Mapping[str, Any]


@frozen
class File:
    """A file that a document names."""

    asset: Asset
    sha256: str


@frozen(kw_only=True)
class Catalogue:
    """What is served of a stream. ``files`` are by their paths below the stream's address."""

    index: Document
    images: Document
    files: Mapping[str, File]
    products: Sequence[Product]


def catalogue_of(builds: Sequence[Listed], policy: Policy) -> Catalogue:
    """List builds."""
    products = products_of(builds, policy)
    shown = {product.id: _product(product) for product in products}
    named = set(paths_in(shown))
    files = (file for product in products for each in product.listed.values() for file in _files(each))
    return Catalogue(
        index={
            "format": "index:1.0",
            "index": {
                "images": {
                    "datatype": "image-downloads",
                    "format": "products:1.0",
                    "path": IMAGES,
                    "products": [product.id for product in products],
                }
            },
        },
        images={
            "content_id": "images",
            "datatype": "image-downloads",
            "format": "products:1.0",
            "products": shown,
        },
        files={path: file for path, file in files if path in named},
        products=products,
    )


def paths_in(products: Mapping[str, Document]) -> Iterator[str]:
    """Give the paths that products of a document name; one may be named twice."""
    for product in products.values():
        for version in product["versions"].values():
            yield from (item["path"] for item in version["items"].values())


def _product(product: Product) -> Document:
    newest = product.newest
    said = {**newest.metadata.properties, **newest.manifest.texts}
    release = said.get("release", "")
    requirements = newest.manifest.requirements
    document = {
        "aliases": ",".join(product.aliases),
        "arch": product.arch,
        "os": said.get("os", product.image),
        "release": release,
        "release_title": release,
        "variant": said.get("variant", ""),
        "version": said.get("version", ""),
        # LXD 5 reads the first only, Incus the second only.
        **({"lxd_requirements": requirements, "requirements": requirements} if requirements else {}),
        "versions": {key: _version(product, listed) for key, listed in product.listed.items()},
    }
    end = newest.manifest.end_of_life or _day(newest.metadata.expires)
    return {**document, **({"support_eol": end} if end else {})}


def _day(moment: float) -> str | None:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d") if moment else None


def _version(product: Product, listed: Listed) -> Document:
    said = {**listed.metadata.properties, **listed.manifest.texts}
    return {"label": said.get("description", product.image), "items": dict(_items(product, listed))}


def _items(product: Product, listed: Listed) -> Iterator[tuple[str, Document]]:
    build = listed.build
    if build.metadata is not None and listed.combined:
        item = _item(listed, build.metadata, "lxd.tar.xz")
        for kind in ROOTS:
            for key in kind.combined if kind.ftype in listed.combined else ():
                item[key] = listed.combined[kind.ftype]
        # Incus shows nothing of what has items for LXD alone; both may name the same file.
        for flavour in ("lxd.tar.xz", "incus.tar.xz"):
            yield flavour, {**item, "ftype": flavour}
        for kind in ROOTS:
            if kind.ftype in listed.combined:
                yield kind.file, {**_item(listed, build.roots[kind.ftype], kind.file), "ftype": kind.ftype}
        yield from _deltas(product, listed)
    if build.unified is not None:
        item = _item(listed, build.unified, UNIFIED.file)
        yield "lxd_combined.tar.gz", {**item, "ftype": "lxd_combined.tar.gz"}
        yield "incus_combined.tar.gz", {**item, "ftype": "incus_combined.tar.gz", "combined_type": "container"}


def _deltas(product: Product, listed: Listed) -> Iterator[tuple[str, Document]]:
    if SQUASHFS.ftype not in listed.combined:
        return
    # Incus applies each delta whose base it has: there is one from each base, and its base is listed, too.
    bases = {base.build.version: key for key, base in product.listed.items() if SQUASHFS.ftype in base.combined}
    for base, asset in listed.build.deltas.items():
        key = bases.get(Version(base))
        if key is not None:
            item = _item(listed, asset, delta_file(base))
            yield f"rootfs.{key}.vcdiff", {**item, "ftype": "squashfs.vcdiff", "delta_base": key}


def _item(listed: Listed, asset: Asset, name: str) -> dict[str, Any]:
    return {"path": path_of(listed, name), "sha256": listed.sha256[asset.id], "size": asset.size}


def path_of(listed: Listed, name: str) -> str:
    """Give the path of a file below its stream's address, as OctoLXD had it."""
    build = listed.build
    return f"images/{build.image}/{build.arch}/{build.version.text}/{name}"


def delta_file(base: str) -> str:
    """Give the last segment of the path of a delta from a version."""
    return f"rootfs.{base}.vcdiff"


def _files(listed: Listed) -> Iterator[tuple[str, File]]:
    build = listed.build
    named: list[tuple[str, Asset | None]] = [
        ("lxd.tar.xz", build.metadata),
        *((kind.file, build.roots.get(kind.ftype)) for kind in ROOTS),
        (UNIFIED.file, build.unified),
        *((delta_file(base), asset) for base, asset in build.deltas.items()),
    ]
    for name, asset in named:
        if asset is not None:
            yield path_of(listed, name), File(asset, listed.sha256[asset.id])
