"""What the embedded Traefik does to requests on their way: docs/how-to/own-traefik.md has it for operators' own ones.

Servers that read headers as CGI variables (PHP, WSGI) take ``X_Forwarded_For`` for ``X-Forwarded-For``, which Traefik sets
a visitor must not. Traefik can take away every header with an underscore, and with it what applications call ``api_key``, so
only those names are taken away that could be taken for one that Traefik sets.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, Final

from webspaced.core.opening import HEAD_LIMIT

HEADERS: Final = "webspaced-headers"
"""The middleware that takes them away."""
SET: Final = (
    "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Method", "X-Forwarded-Port", "X-Forwarded-Prefix",
    "X-Forwarded-Proto", "X-Forwarded-Server", "X-Forwarded-Uri", "X-Real-Ip",
)  # fmt: skip
"""What Traefik sets, or believes of whom it trusts."""
LONG: Final = ("X-Forwarded-Tls-Client-Cert", "X-Forwarded-Tls-Client-Cert-Info")
"""Likewise, of so many words that not all mixtures are listed: each is one more step for every request."""
SEPARATORS: Final = "-_."
"""All of these become an underscore in the name of a variable, with one server or another."""


def aliases() -> tuple[str, ...]:
    """Give the header names that some servers take for one that Traefik sets, sorted."""
    found = {alias for name in SET for alias in _mixtures(name)}
    found |= {name.replace("-", each) for name in LONG for each in SEPARATORS}
    return tuple(sorted(found - {*SET, *LONG}))


def _mixtures(name: str) -> Iterator[str]:
    words = name.split("-")
    for between in product(SEPARATORS, repeat=len(words) - 1):
        yield words[0] + "".join(separator + word for separator, word in zip(between, words[1:], strict=True))


def dynamic_configuration() -> dict[str, Any]:
    """Give the middleware (https://doc.traefik.io/traefik/reference/routing-configuration/http/middlewares/headers/)."""
    # What is set to nothing is taken away.
    return {"http": {"middlewares": {HEADERS: {"headers": {"customRequestHeaders": dict.fromkeys(aliases(), "")}}}}}


def entry_point() -> dict[str, Any]:
    """Give what an entry point's ``http`` says of requests."""
    return {
        # Those that can be taken for others are taken away by name.
        "aliasHeadersStrategy": "keep",
        "middlewares": [f"{HEADERS}@file"],
        "maxHeaderBytes": HEAD_LIMIT,
        # Paths go to applications as they come: what is in a path is theirs to judge, and webspaced's rules look at hosts.
        # Else a semicolon in a query becomes an ampersand.
        "encodeQuerySemicolons": True,
        "encodedCharacters": {f"allowEncoded{each}": True for each in ENCODED},
    }


ENCODED: Final = ("BackSlash", "Hash", "NullCharacter", "Percent", "QuestionMark", "Semicolon", "Slash")
