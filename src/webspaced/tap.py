"""The ``webspaced`` subcommand of twistd: options, settings, and the daemon built of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from importlib import import_module
from operator import attrgetter
from pathlib import Path
from typing import Any

from twisted.application.service import IService
from twisted.logger import ILogObserver, Logger, LogLevelFilterPredicate
from twisted.python.usage import Options as TwistedOptions
from twisted.python.usage import UsageError

from webspaced.base.application import Application, logs_to_terminal, warn_of_exposed
from webspaced.errors import WebspacedError
from webspaced.lib.clocks import go_by_monotonic_time
from webspaced.lib.logs import log_observer, set_level
from webspaced.lib.trusted import strange_above
from webspaced.reload.live import Live
from webspaced.settings import SCHEMA, SETTINGS, Settings, SettingsError, find_config, load, resolver_of

log = Logger()


NOT_USED = ("traefik.iam_token",)
"""Settings that deployments have and nothing reads: they are warned of. A test holds all others against what is read."""


class Options(TwistedOptions):
    """Command line options."""

    synopsis = "[--config FILE | --simulate]"
    optParameters = [  # noqa: RUF012  (Twisted's way)
        ["config", "c", None, "The settings (default: webspaced.yaml here, then in /run/config, then in /etc/webspaced)"],
    ]
    optFlags = [  # noqa: RUF012
        ["simulate", None, "Try webspaced out on a simulated LXD, on loopback only; files with settings do not count"],
        ["as-root", None, "Let --simulate run as root"],
    ]

    def postOptions(self) -> None:
        """Refuse what does not go together."""
        if self["simulate"] and self["config"]:
            raise UsageError("--simulate takes no --config: nothing of a real service is to be simulated")
        if self["as-root"] and not self["simulate"]:
            raise UsageError("--as-root goes with --simulate")


def _try_to_reload(live: Live) -> None:
    # Nobody hears of a failure but the log, which has it.
    with suppress(WebspacedError):
        live.reload()


def makeService(options: Options) -> IService:
    """Build the daemon, or end with a line for each mistake and an exit status that is not 0."""
    from twisted.internet import reactor  # noqa: PLC0415, TID251  (the plugin's entry: the one place that picks it)

    # Before anything is scheduled: whatever waits here does not care when somebody sets the machine's clock.
    go_by_monotonic_time(reactor)
    try:
        live, services = _simulated(reactor, options) if options["simulate"] else _real(reactor, options)
    except (SettingsError, WebspacedError) as error:
        sys.exit(str(error))
    return Application(services, _observer(live, options), reactor, partial(_try_to_reload, live))


def _observer(live: Live, options: Options) -> ILogObserver | None:
    if not logs_to_terminal(options):
        return None
    levels, settings = LogLevelFilterPredicate(), live.settings
    live.follow(lambda settings: set_level(levels, settings.log_level))
    return log_observer(sys.stdout, settings.log_level, settings.log_format, levels)


def _real(reactor: Any, options: Options) -> tuple[Live, Sequence[IService]]:
    given = options["config"]
    path = Path(given).absolute() if given else find_config(Path.cwd())
    live = Live(_load(path), partial(_load, path))
    settings = live.settings
    for strange in strange_above(settings.data_dir):
        log.warn("data_dir can be replaced by others: {strange}", event="daemon.folder-strange", strange=strange)
    from webspaced.assembly.build import build  # noqa: PLC0415  (settings are checked before the rest is loaded)

    for key in _not_used(settings):
        log.warn("{key} is set, and not used by this version yet", event="daemon.setting-unused", key=key)
    return live, [build(reactor, live)]


def _simulated(reactor: Any, options: Options) -> tuple[Live, Sequence[IService]]:
    # By name: nothing of the product stands on its test tools.
    simulation = import_module("webspaced.testing.simulation")
    simulated: tuple[Live, Sequence[IService]] = simulation.simulate(
        reactor, os.environ, as_root=bool(options["as-root"])
    )
    return simulated


def _load(path: Path | None) -> Settings:
    settings = load(path, os.environ)
    warn_of_exposed(path, SCHEMA)
    return settings


def _not_used(settings: Settings) -> list[str]:
    """Name settings that are set, and change nothing yet: an operator must not believe that they do."""
    unused = [key for key in NOT_USED if _value(settings, key) != SETTINGS[key].default]
    # Nobody issues the certificate that these names are for.
    idle = settings.traefik.default_sans and resolver_of(settings.traefik) is None
    return [*unused, *(["traefik.default_sans"] if idle else [])]


def _value(settings: Settings, key: str) -> Any:
    return attrgetter(key)(settings)
