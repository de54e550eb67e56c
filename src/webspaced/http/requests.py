"""What is counted of a listener's requests: by the handlers' own paths, so that no client can make up a label."""

from __future__ import annotations

import re
from collections.abc import Iterable

from klein import Klein

from webspaced.lib.measures import Counted, Timed, template

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
OTHER = "other"
LONGEST = 256
"""Bytes of a path that may be one of ours; of longer ones nothing is read."""
SWITCHED = 101
_PARAMETER = re.compile("<[^>]*>")


class Requests:
    """Requests by endpoint, method and status; ``seconds`` by endpoint, terminals left out."""

    def __init__(self, apps: Iterable[Klein]) -> None:
        """Know the paths of these."""
        rules = [rule.rule for app in apps for rule in app.url_map.iter_rules()]
        self._known = frozenset(_PARAMETER.sub("{}", rule) for rule in rules)
        self._words = frozenset(word for rule in self._known for word in rule.split("/") if word != "{}")
        self.ended = Counted()
        self.seconds = Timed()

    def over(self, method: bytes, path: bytes, status: int, seconds: float) -> None:
        """Count a request that was answered, or given up by its client."""
        endpoint = self.endpoint(path)
        said = method.decode("ascii", "replace")
        self.ended.add(endpoint, said if said in METHODS else OTHER, str(status))
        if status != SWITCHED:
            self.seconds.note(seconds, endpoint)

    def endpoint(self, path: bytes) -> str:
        """Give the template of a path, ``other`` for what is none of ours."""
        if len(path) > LONGEST:
            return OTHER
        found = template(path.decode("ascii", "replace"), self._words)
        return found if found in self._known else OTHER
