"""The metrics of the image server: what there is, and what each says now."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Mapping

from webspaced.base.families import Reading, counted, one
from webspaced.base.metric import Metric, Sort, row_of
from webspaced.images.core.verdict import KINDS
from webspaced.images.site import Front
from webspaced.images.sources.requests import Requests
from webspaced.images.store import Store
from webspaced.images.streams import Streams

_COUNTER, _GAUGE = Sort.COUNTER, Sort.GAUGE
METRICS = (
    Metric("webspaced_images_builds", _GAUGE, "Builds that are listed: one version of an image for one architecture.",
           ("stream",)),
    Metric("webspaced_images_conditions", _GAUGE, "Builds that are not listed, by why: `differs`, `incomplete`, `unread` or"
           " `unreadable`.", ("stream", "kind")),
    Metric("webspaced_images_snapshot_age_seconds", _GAUGE, "Seconds since the source last said that this is what there is;"
           " absent without any snapshot.", ("stream",)),
    Metric("webspaced_images_source_up", _GAUGE, "Whether the source answered the last time.", ("stream",)),
    Metric("webspaced_images_looks_total", _COUNTER, "How often the source was asked.", ("stream",)),
    Metric("webspaced_images_downloads_total", _COUNTER, "Files that were sent to their ends.",
           ("stream", "image", "version")),
    Metric("webspaced_images_requests_total", _COUNTER, "Requests, by what was asked for and status.", ("what", "status")),
    Metric("webspaced_images_sent_bytes_total", _COUNTER, "Bytes of files that were sent."),
    Metric("webspaced_images_cache_bytes", _GAUGE, "Bytes of the files in the cache, parts of them included."),
    Metric("webspaced_images_cache_total", _COUNTER, "What was asked of the cache: `hit`, `shared` (another client waited"
           " already), `fetched`, `failed`; and `evicted`.", ("outcome",)),
    Metric("webspaced_images_fetched_bytes_total", _COUNTER, "Bytes that were fetched from upstream."),
    Metric("webspaced_images_upstream_requests_total", _COUNTER, "Requests to the release API and for files, by outcome.",
           ("what", "outcome")),
    Metric("webspaced_images_upstream_left", _GAUGE, "How many requests the release API takes until its limit is renewed;"
           " absent where it does not say."),
)  # fmt: skip
_HEAD = """\
# Metrics of the image server

<!-- Printed by `python -m webspaced.images.metrics`; change webspaced/images/metrics.py. -->

What `/metrics` of webspaced-images tells, at `operators_address`, in Prometheus' text format. Beside these there are those
of the process (`process_…`) and of Python's garbage collector (`python_gc_…`).

| metric | kind | labels | meaning |
|---|---|---|---|
"""
CATALOGUE: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}


def readings(streams: Streams, front: Front, store: Store, requests: Requests) -> Iterator[Reading]:
    """Give what all of them say now."""
    yield from _of_streams(streams)
    yield counted("webspaced_images_downloads_total", front.downloads)
    yield counted("webspaced_images_requests_total", front.requests)
    yield one("webspaced_images_sent_bytes_total", front.sent)
    yield one("webspaced_images_cache_bytes", store.taken)
    yield counted("webspaced_images_cache_total", store.counts, of=("hit", "shared", "fetched", "failed", "evicted"))
    yield one("webspaced_images_fetched_bytes_total", store.fetched_bytes)
    yield counted("webspaced_images_upstream_requests_total", requests.calls.outcomes)
    if requests.left is not None:
        yield one("webspaced_images_upstream_left", requests.left)


def _of_streams(streams: Streams) -> Iterator[Reading]:
    shown = streams.all()
    served = [(stream, stream.snapshot) for stream in shown if stream.snapshot is not None]
    yield Reading("webspaced_images_builds", {
        (stream.name,): sum(len(product["versions"]) for product in snapshot.images["products"].values())
        for stream, snapshot in served
    })  # fmt: skip
    yield Reading("webspaced_images_conditions", {
        (stream.name, kind): count
        for stream in shown
        for kind, count in {**dict.fromkeys(KINDS, 0), **Counter(each.kind for each in stream.hidden)}.items()
    })  # fmt: skip
    yield Reading("webspaced_images_snapshot_age_seconds", {(stream.name,): stream.age() for stream, _ in served})
    yield Reading("webspaced_images_source_up", {(stream.name,): float(not stream.trouble) for stream in shown})
    yield Reading("webspaced_images_looks_total", {(stream.name,): stream.asked for stream in shown})


def markdown() -> str:
    """Give the text of ``docs/reference/images-metrics.md``."""
    return _HEAD + "".join(f"{row_of(metric)}\n" for metric in METRICS)


if __name__ == "__main__":
    sys.stdout.write(markdown())
