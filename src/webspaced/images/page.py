"""The pages for people: which streams there are, which images they have, and the commands to copy. No scripts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Any

from webspaced.images.core.verdict import KINDS
from webspaced.images.stream import Stream

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid #8884; vertical-align: top; }
pre { background: #8882; padding: .6rem; overflow-x: auto; }
:root { color-scheme: light dark; }
"""
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_RULES = ("default-src 'none'", f"style-src 'sha256-{_DIGEST}'", *(f"{what} 'none'" for what in (
    "base-uri", "form-action", "frame-ancestors",
)))  # fmt: skip
CSP = "; ".join(_RULES).encode()
_SIZES = ("B", "KiB", "MiB", "GiB")


def _page(title: str, *parts: str) -> str:
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<meta name="viewport" content="width=device-width">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n<h1>{escape(title)}</h1>\n{body}\n</html>\n"
    )


def overview_page(streams: Iterable[Stream]) -> str:
    """Give the page of all streams that everybody may see."""
    rows = "".join(f'<li><a href="/{escape(stream.name)}/">{escape(stream.name)}</a></li>\n' for stream in streams)
    return _page("Images for LXD and Incus", f"<ul>\n{rows}</ul>" if rows else "<p>There is nothing to see here.</p>")


def stream_page(stream: Stream, base: str) -> str:
    """Give the page of a stream.

    :param base: the address of this server, without a path.
    """
    remote = stream.name.rpartition("/")[2].lower()
    url = f"{base}/{stream.name}"
    commands = "\n".join(
        f"{client} remote add {remote} {url} --protocol=simplestreams" for client in ("lxc", "incus")
    )
    products = {} if stream.snapshot is None else stream.snapshot.images["products"]
    return _page(
        f"Images of {stream.name}",
        f"<p>Once, by the one that you have:</p>\n<pre>{escape(commands)}</pre>",
        _table(products, remote),
        _troubles(stream),
    )


def _table(products: Mapping[str, Any], remote: str) -> str:
    if not products:
        return "<p>There are no images yet.</p>"
    rows = "".join(_row(product, remote) for product in products.values())
    heads = "".join(f"<th>{head}</th>" for head in ("image", "about", "for", "versions", "size", "start one"))
    return f"<table>\n<tr>{heads}</tr>\n{rows}</table>"


def _row(product: Mapping[str, Any], remote: str) -> str:
    aliases = product["aliases"].split(",")
    newest = product["versions"][max(product["versions"])]
    about = " ".join(filter(None, (product["os"], product["release"], newest["label"])))
    sizes = {item["path"]: item["size"] for item in newest["items"].values() if "delta_base" not in item}
    image = f"{remote}:{aliases[0]}"
    cells = (
        "<br>".join(map(escape, aliases)),
        escape(about),
        escape(product["arch"]),
        "<br>".join(_versions(product)),
        _size(sum(sizes.values())),
        f"<pre>lxc launch {escape(image)}\nincus launch {escape(image)}</pre>",
    )
    return f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>\n"


def _versions(product: Mapping[str, Any]) -> Iterator[str]:
    for key in sorted(product["versions"], reverse=True):
        path = next(iter(product["versions"][key]["items"].values()))["path"]
        yield escape(path.split("/")[-2])


def _size(count: float) -> str:
    for unit in _SIZES:
        if count < 1024 or unit == _SIZES[-1]:  # noqa: PLR2004
            return f"{count:.1f} {unit}" if unit != "B" else f"{count:.0f} B"
        count /= 1024
    return ""


def _troubles(stream: Stream) -> str:
    said = [f"<li>{escape(each.what)}: {KINDS[each.kind]} ({escape(each.detail)})</li>\n" for each in stream.hidden]
    if stream.trouble:
        said.insert(0, f"<li>the source is away: {escape(stream.trouble)}</li>\n")
    return f"<h2>Not listed</h2>\n<ul>\n{''.join(said)}</ul>" if said else ""
