"""Which pages may call the API from a browser (the Fetch standard's CORS protocol, https://fetch.spec.whatwg.org/#http-cors-protocol).

The API knows nobody by a cookie, so that a page of anybody's can do no harm with a visitor's browser alone. Pages that are
named in the settings may send credentials all the same, as some clients insist on it; any page (``*``) may not.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from webspaced.settings import parse_origin

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
EXPOSED = "Allow, Retry-After, WWW-Authenticate, X-Request-ID"
MAX_AGE = 600
"""Seconds for which a browser need not ask again: the shortest bound that a common one has."""
ANY = "*"
_HEADER_NAMES = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z, -]{1,1024}")


class Cors:
    """The operator's list of origins."""

    def __init__(self, allowed_origins: Collection[str]) -> None:
        self.allow(allowed_origins)

    def allow(self, allowed_origins: Collection[str]) -> None:
        """Go by another list."""
        self._listed = frozenset(allowed_origins) - {ANY}
        self._any = ANY in allowed_origins

    def allows(self, origin: str | None) -> bool:
        """Whether a page of this origin may call. Whoever names none is no page."""
        return origin is None or self._any or self._is_listed(origin)

    def _is_listed(self, origin: str) -> bool:
        try:
            return parse_origin(origin) in self._listed
        except ValueError:
            return False

    def headers(self, origin: str | None) -> tuple[tuple[str, str], ...]:
        """Give the headers of an answer to a page of this origin."""
        # Caches must not give the answer for one origin to another; with nothing listed all get the same.
        vary = (("Vary", "Origin"),) if self._listed else ()
        if origin is None or not self.allows(origin):
            return vary
        exposed = ("Access-Control-Expose-Headers", EXPOSED)
        if self._is_listed(origin):
            return (*vary, ("Access-Control-Allow-Origin", origin), ("Access-Control-Allow-Credentials", "true"), exposed)
        return (*vary, ("Access-Control-Allow-Origin", ANY), exposed)

    def preflight(self, origin: str, wanted_headers: str) -> tuple[tuple[str, str], ...]:
        """Give the headers, beside :meth:`headers`, that answer whether a page may make a call."""
        if not self.allows(origin):
            return ()
        # Named one by one, as * would leave out Authorization. None of them does harm.
        allowed = wanted_headers if _HEADER_NAMES.fullmatch(wanted_headers) else "Authorization, Content-Type"
        return (
            ("Access-Control-Allow-Methods", METHODS),
            ("Access-Control-Allow-Headers", allowed),
            ("Access-Control-Max-Age", str(MAX_AGE)),
        )
