"""A walk over all webspaces, in pieces: what is counted of them together, and told of each where that is wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from attrs import define, field

from webspaced.base.families import Reading
from webspaced.core.instance import Status
from webspaced.core.sleep import Depth
from webspaced.forward.counters import Counters
from webspaced.lib.gently import Gently
from webspaced.metrics.catalogue import CATALOGUE, EACH
from webspaced.metrics.watched import Watched
from webspaced.webspaces.conditions import Kind
from webspaced.webspaces.observed import Observed

DEPTHS: Mapping[Depth, int] = {Depth.AWAKE: 0, Depth.DOZING: 1, Depth.ASLEEP: 2}


@define
class Census:
    """What was counted: webspaces by status and wish, conditions by kind, and when the first member's certificate ends."""

    stands: Counter[tuple[str, str]] = field(factory=Counter)
    conditions: Counter[str] = field(factory=Counter)
    certificates: int = 0
    first_end: float = float("inf")
    """Seconds since the epoch."""
    seen: Counters = field(factory=Counters)
    """Of all visitors."""
    lines: Mapping[str, list[str]] = field(factory=lambda: {metric.name: [] for metric in EACH})
    """Of each webspace, by metric, in Prometheus' text format."""

    def readings(self, now: float) -> Iterator[Reading]:
        """Give what the walk found; ``now`` in seconds since the epoch."""
        yield Reading("webspaced_webspaces", self.stands)
        yield Reading("webspaced_conditions", {(kind.value,): self.conditions[kind.value] for kind in Kind})
        yield Reading("webspaced_certificates", {("member",): self.certificates})
        if self.certificates:
            yield Reading("webspaced_certificate_left_seconds", {("member",): self.first_end - now})

    def text(self) -> str:
        """Give what is told of each webspace: by hand, as the client library takes ten times as long for it."""
        told = []
        for name, lines in self.lines.items():
            if lines:
                about = CATALOGUE[name]
                told += [f"# HELP {name} {about.meaning}\n# TYPE {name} {about.sort.value}\n", *lines]
        return "".join(told)


class Walk:
    """Goes over all webspaces."""

    def __init__(self, watched: Watched, gently: Gently, *, each: bool) -> None:
        """:param each: whether to tell of each webspace."""
        self._watched = watched
        self._gently = gently
        self.each = each
        self._told: dict[int, tuple[tuple[float, ...], tuple[str, ...]]] = {}
        """The figures of each webspace as they were told last, and their lines."""

    async def go(self) -> Census:
        """Give what there is; other work of the reactor goes on meanwhile."""
        census = Census()

        def look(observed: Observed) -> None:
            conditions = self._watched.parts.known.conditions.of(observed.uid)
            self._count(census, observed, conditions)
            if self.each:
                self._tell(census, observed, len(conditions))

        await self._gently.each(self._watched.parts.known.registry, look)
        self._forget_the_gone()
        census.seen = await self._watched.parts.served.listeners.count(self._gently)
        return census

    def _count(self, census: Census, observed: Observed, conditions: Iterable[Kind]) -> None:
        census.stands[status_of(observed), observed.webspace.desired.wish.value] += 1
        for kind in conditions:
            census.conditions[kind.value] += 1
        for certificate in observed.certificates.good.values():
            census.certificates += 1
            census.first_end = min(census.first_end, certificate.not_after)

    def _tell(self, census: Census, observed: Observed, wrong: int) -> None:
        seen = self._watched.parts.served.listeners.counters_of(observed.uid)
        figures = (DEPTHS[observed.depth], wrong, seen.held_seconds, seen.opened, seen.to_container, seen.to_visitor)
        # Of ten thousand most are as they were: their lines are kept.
        known = self._told.get(observed.uid)
        if known is None or known[0] != figures:
            known = self._told[observed.uid] = (figures, _lines(observed.name, figures))
        for told, line in zip(census.lines.values(), known[1], strict=True):
            told.append(line)

    def _forget_the_gone(self) -> None:
        registry = self._watched.parts.known.registry
        for uid in [uid for uid in self._told if registry.get(uid) is None]:
            del self._told[uid]


def _lines(name: str, figures: tuple[float, ...]) -> tuple[str, ...]:
    """Give the lines of one webspace for each metric, in the order of the catalogue.

    Its name is the prefix of the settings and a number: nothing in it needs to be escaped.
    """
    depth, wrong, held, connections, there, back = figures
    of = f'{{webspace="{name}"'
    return (
        f"webspaced_webspace_depth{of}}} {depth}\n",
        f"webspaced_webspace_conditions{of}}} {wrong}\n",
        f"webspaced_webspace_held_seconds_total{of}}} {held}\n",
        f"webspaced_webspace_relay_connections_total{of}}} {connections}\n",
        "".join(
            f'webspaced_webspace_relay_bytes_total{of},direction="{direction}"}} {moved}\n'
            for direction, moved in (("to_container", there), ("to_visitor", back))
        ),
    )


def status_of(observed: Observed) -> str:
    """Give the word for a webspace's status: LXD's, but for what nobody can tell, is being created, or dozes."""
    if observed.unfinished:
        return "unfinished"
    status = observed.instance.status
    if observed.untold or status is Status.ERROR:
        return "unknown"
    return "dozing" if status is Status.FROZEN and observed.dozes else status.name.lower()
