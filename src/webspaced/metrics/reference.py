"""The reference page of all metrics: ``python -m webspaced.metrics.reference > docs/reference/metrics.md``."""

from __future__ import annotations

import sys

from webspaced.base.metric import row_of
from webspaced.lib.measures import OK, OTHER, OUTCOMES
from webspaced.metrics.catalogue import GROUPS

_HEAD = """\
# Metrics

<!-- Printed by `python -m webspaced.metrics.reference`; change webspaced/metrics/catalogue.py. -->

What `/metrics` tells, at `metrics.listen_address`, in Prometheus' text format. There are no exemplars. A label's values are
few, and none is made up by visitors or members. What is told *of each webspace* is so only with `metrics.per_webspace`;
`webspace` is the instance's name.

Beside these there are those of the process (`process_…`) and of Python's garbage collector (`python_gc_…`) that the
client library has by itself.

The words for an *outcome* are {outcomes}.

"""


def markdown() -> str:
    """Give the text of ``docs/reference/metrics.md``."""
    words = dict.fromkeys((OK, *(word for _, word in OUTCOMES), OTHER))
    page = _HEAD.format(outcomes=", ".join(f"`{word}`" for word in words))
    for title, metrics in GROUPS.items():
        rows = "\n".join(row_of(metric) for metric in metrics)
        page += f"## {title}\n\n| metric | kind | labels | meaning |\n|---|---|---|---|\n{rows}\n\n"
    return page.rstrip("\n") + "\n"


if __name__ == "__main__":
    sys.stdout.write(markdown())
