"""The reference page of all log events: ``python -m webspaced.vocabulary.reference > docs/reference/log-events.md``."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from webspaced.vocabulary.event import Event
from webspaced.vocabulary.events import GROUPS
from webspaced.vocabulary.members import FIELDS, OF_EACH_LINE

_HEAD = """\
# Log events

<!-- Printed by `python -m webspaced.vocabulary.reference`; change webspaced/vocabulary/. -->

With `log_format: json` each line of the log is one JSON object. Its names are stable: a name in these tables is not given to
something else, and a member keeps its meaning. How to read and keep logs is in [Logs](../logging.md).

"""


def markdown() -> str:
    """Give the text of ``docs/reference/log-events.md``."""
    page = f"{_HEAD}## Members of each line\n\n{_meanings(OF_EACH_LINE)}\n\nAn event's fields stand beside these.\n\n"
    for title, events in GROUPS.items():
        rows = "\n".join(map(_row, events))
        page += f"## {title}\n\n| event | level | meaning | fields |\n|---|---|---|---|\n{rows}\n\n"
    return f"{page}## Fields\n\n{_meanings(FIELDS)}\n"


def _meanings(members: Mapping[str, str]) -> str:
    rows = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in members.items())
    return f"| member | meaning |\n|---|---|\n{rows}"


def _row(event: Event) -> str:
    fields = ", ".join(f"`{field}`" for field in event.fields)
    return f"| `{event.name}` | {', '.join(event.levels)} | {event.meaning} | {fields} |"


if __name__ == "__main__":
    sys.stdout.write(markdown())
