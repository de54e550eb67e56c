"""Settings that are read again while they are in use: which of them can take effect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter

from webspaced.settings.checks import CHECKS
from webspaced.settings.problems import SettingsError
from webspaced.settings.schema import SCHEMA, SETTINGS, Settings


def renewed(used: Settings, read: Settings) -> tuple[Settings, Sequence[str], Sequence[str]]:
    """Give the settings to use from now on, the keys that have changed by that, and those that wait for a restart.

    :raises SettingsError: what can change does not go together with what cannot.
    """
    old, new = flat(used), flat(read)
    changed = [key for key in SETTINGS if old[key] != new[key]]
    applied = [key for key in changed if SETTINGS[key].live]
    values = {**old, **{key: new[key] for key in applied}}
    problems = [
        f"{check.keys[0]}: {verdict} (with what only a restart changes)"
        for check in CHECKS
        if (verdict := check.verdict(values))
    ]
    if problems:
        raise SettingsError(problems)
    return SCHEMA.build(values), applied, [key for key in changed if key not in applied]


def flat(settings: Settings) -> Mapping[str, object]:
    """Give all values by dotted key."""
    return {key: attrgetter(key)(settings) for key in SETTINGS}
