"""The settings that every service beside the daemon has."""



from __future__ import annotations

import attrs

from webspaced.settings.fields import setting
from webspaced.settings.kinds import ADDRESS, choice, level
from webspaced.settings.values import Address


@attrs.frozen(kw_only=True)
class ServiceSettings:
    """What comes first in the settings of a service."""

    log_level: str = setting(
        level("trace", "debug", "info", "warn", "error", "fatal", "panic", warning="warn"),
        "The least weighty messages to log; in any case, and `warning` is `warn`.",
        default="info",
    )
    log_format: str = setting(
        choice("text", "json"),
        "Lines for people, or one JSON object per line for machines.",
        default="text",
    )


def operators_address(port: int) -> Address:
    """Declare where a service has its pages for operators: on loopback, unless one says otherwise."""
    return setting(
        ADDRESS,
        "Where `/live`, `/ready` and `/metrics` are, for the operator's own machines; nobody is asked for a token.",
        default=Address("127.0.0.1", port),
    )
