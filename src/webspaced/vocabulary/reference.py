"""The reference page of all log events: ``python -m webspaced.vocabulary.reference > docs/reference/log-events.md``."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from webspaced.vocabulary.actions import CAUSES, MEMBERS, Action
from webspaced.vocabulary.actions import GROUPS as ACTIONS_BY_CAUSE
from webspaced.vocabulary.event import Event
from webspaced.vocabulary.events import GROUPS
from webspaced.vocabulary.members import FIELDS, OF_EACH_LINE

_HEAD = """\
# Log events

<!-- Printed by `python -m webspaced.vocabulary.reference`; change webspaced/vocabulary/. -->

With `log_format: json` each line of the log is one JSON object. Its names are stable: a name in these tables is not given to
something else, and a member keeps its meaning. How to read and keep logs is in [Logs](../how-to/logs.md).

"""
_AUDIT_HEAD = """\
## The audit log

Where `audit_log` says, each change is one line of JSON: each call and order that changes something or tries to, and what LXD
is asked for because of it, of a visitor, of a schedule or of idleness. Members that do not apply are left out. Of
somebody who is refused again and again some lines are written, and the others counted in the log (`log.left-out`).

"""


def markdown() -> str:
    """Give the text of ``docs/reference/log-events.md``."""
    page = f"{_HEAD}## Members of each line\n\n{_meanings(OF_EACH_LINE)}\n\nAn event's fields stand beside these.\n\n"
    for title, events in GROUPS.items():
        rows = "\n".join(map(_row, events))
        page += f"## {title}\n\n| event | level | meaning | fields |\n|---|---|---|---|\n{rows}\n\n"
    return f"{page}## Fields\n\n{_meanings(FIELDS)}\n\n{_audit()}"


def _audit() -> str:
    page = f"{_AUDIT_HEAD}### Members\n\n{_meanings(MEMBERS)}\n\n### Causes\n\n{_meanings(CAUSES, 'cause')}\n\n"
    for title, actions in ACTIONS_BY_CAUSE.items():
        rows = "\n".join(f"| `{action.name}` | {action.meaning} | {_params(action)} |" for action in actions)
        page += f"### {title}\n\n| action | meaning | params |\n|---|---|---|\n{rows}\n\n"
    return page.rstrip("\n") + "\n"


def _params(action: Action) -> str:
    return "all that was changed" if action.params == ("*",) else ", ".join(f"`{name}`" for name in action.params)


def _meanings(members: Mapping[str, str], what: str = "member") -> str:
    rows = "\n".join(f"| `{name}` | {meaning} |" for name, meaning in members.items())
    return f"| {what} | meaning |\n|---|---|\n{rows}"


def _row(event: Event) -> str:
    fields = ", ".join(f"`{field}`" for field in event.fields)
    return f"| `{event.name}` | {', '.join(event.levels)} | {event.meaning} | {fields} |"


if __name__ == "__main__":
    sys.stdout.write(markdown())
