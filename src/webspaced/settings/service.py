"""The settings that every service has, the daemon and those beside it."""

from __future__ import annotations

import attrs

from webspaced.settings.fields import setting
from webspaced.settings.kinds import ADDRESS, choice, level
from webspaced.settings.values import Address


def log_level(*, live: bool = False) -> str:
    """Declare from which level on is logged. ``live``: the service reloads it."""
    return setting(
        level("trace", "debug", "info", "warn", "error", "fatal", "panic", warning="warn"),
        "The least weighty messages to log; in any case, and `warning` is `warn`.",
        default="info",
        live=live,
    )


def log_format() -> str:
    """Declare how it is written."""
    return setting(
        choice("text", "json"), "Lines for people, or one JSON object per line for machines.", default="text"
    )


@attrs.frozen(kw_only=True)
class ServiceSettings:
    """What comes first in the settings of a service beside the daemon."""

    log_level: str = log_level()
    log_format: str = log_format()


def operators_address(port: int) -> Address:
    """Declare where a service has its pages for operators: on loopback, unless one says otherwise."""
    return setting(
        ADDRESS,
        "Where `/live`, `/ready` and `/metrics` are, for the operator's own machines; nobody is asked for a token.",
        default=Address("127.0.0.1", port),
    )
