"""Settings that change while webspaced runs: who goes by them, and a reload that reaches all of them or none.

What can change is declared with the setting (``live=True``). Whoever is built by such a setting follows it: what it takes
from the settings at the start, it takes from those of each reload in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen
from twisted.logger import Logger

from webspaced.errors import Invalid, WebspacedError
from webspaced.settings import Settings, SettingsError, renewed

Put = Callable[[], None]
"""Puts into effect what has been checked. It must not raise."""


@frozen
class Reloaded:
    """The keys of the settings that are in effect now, and of those that wait for a restart."""

    applied: Sequence[str]
    restart: Sequence[str]

    def to_json(self) -> Mapping[str, Any]:
        """Give the object of the operators' API."""
        return {"applied": list(self.applied), "restart": list(self.restart)}


class Live:
    """The settings that are in effect."""

    log = Logger()

    def __init__(self, settings: Settings, load: Callable[[], Settings] | None = None) -> None:
        """:param load: reads the settings anew; raises `SettingsError`. Without it there is nothing to read."""
        self.settings = settings
        self._load = load
        self._checks: list[Callable[[Settings], Put]] = []

    def follow(self, put: Callable[[Settings], None]) -> None:
        """Call ``put`` with the settings at each reload. It must not raise, and says the same as the start did."""
        self._checks.append(lambda settings: lambda: put(settings))

    def check(self, check: Callable[[Settings], Put]) -> None:
        """Call ``check`` with the settings at each reload, before anything has changed.

        It gives what puts them into effect, or raises a `WebspacedError`.
        """
        self._checks.append(check)

    def reload(self) -> Reloaded:
        """Read the settings and put into effect what can be; values are never told, as some are secrets.

        :raises Invalid: they are wrong. Then all stays as it was.
        """
        try:
            reloaded, puts = self._read()
        except (SettingsError, WebspacedError) as error:
            self.log.warn(
                "the settings are not reloaded, and all stays as it was: {error}",
                event="settings.refused", error=str(error),
            )  # fmt: skip
            raise Invalid(str(error)) from error
        for put in puts:
            put()
        changed = ", ".join(reloaded.applied) or "nothing has changed"
        self.log.info("the settings are reloaded: {changed}", event="settings.reloaded", changed=changed)
        if reloaded.restart:
            changed = ", ".join(reloaded.restart)
            self.log.warn("a restart is needed for {changed}", event="settings.restart-needed", changed=changed)
        return reloaded

    def _read(self) -> tuple[Reloaded, Sequence[Put]]:
        if self._load is None:
            message = "these settings come from nowhere that could be read again"
            raise Invalid(message)
        settings, applied, restart = renewed(self.settings, self._load())
        puts = [check(settings) for check in self._checks]
        self.settings = settings
        return Reloaded(applied, restart), puts
