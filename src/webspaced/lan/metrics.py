"""The metrics of the container network."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from webspaced.base.families import Reading, counted, one
from webspaced.base.metric import Metric, Sort
from webspaced.lan.agent import Agent

_METRICS = (
    Metric("webspaced_lan_peers", Sort.GAUGE, "Peers: `wanted` as sources know them, `present` in the kernel.", ("state",)),
    Metric("webspaced_lan_passes", Sort.COUNTER, "Passes, by outcome: `done` or `failed`.", ("outcome",)),
    Metric("webspaced_lan_writes", Sort.COUNTER, "Writes to the kernel; none while nothing changes."),
    Metric("webspaced_lan_source_age_seconds", Sort.GAUGE, "Seconds since the source that was confirmed longest ago was."),
)
CATALOGUE: Mapping[str, Metric] = {metric.name: metric for metric in _METRICS}
NEVER = -1.0


def readings(agent: Agent) -> Iterator[Reading]:
    """Read an agent."""
    present = 0 if agent.applied is None else agent.applied.peers
    yield Reading("webspaced_lan_peers", {("wanted",): len(agent.peers), ("present",): present})
    yield counted("webspaced_lan_passes", agent.passes, of=("done", "failed"))
    yield one("webspaced_lan_writes", sum(agent.writes.values.values()))
    age = max((each.age() for each in agent.sources), default=0.0)
    yield one("webspaced_lan_source_age_seconds", age if age != float("inf") else NEVER)
