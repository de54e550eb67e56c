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

from twisted.application.service import IService, MultiService
from twisted.logger import ILogObserver, Logger, LogLevelFilterPredicate
from twisted.python.components import Componentized
from twisted.python.usage import Options as TwistedOptions
from twisted.python.usage import UsageError

from webspaced.errors import WebspacedError
from webspaced.lib.clocks import go_by_monotonic_time
from webspaced.lib.hangup import on_hangup
from webspaced.lib.logs import log_observer, set_level
from webspaced.lib.second_signal import on_second_signal
from webspaced.lib.trusted import strange_above
from webspaced.reload.live import Live
from webspaced.settings import SETTINGS, Settings, SettingsError, exposed_files, find_config, load, resolver_of

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


class Application(MultiService):
    """All services of the process, with our way of writing its log: twistd asks its application for that."""

    def __init__(
        self, services: Sequence[IService], observer: ILogObserver | None, reactor: Any = None, live: Live | None = None
    ) -> None:
        super().__init__()
        self._reactor = reactor
        self._live = live
        self.log_observer = observer
        for service in services:
            service.setServiceParent(self)

    def setServiceParent(self, parent: Any) -> None:
        """Join twistd's application, and bring our observer along: it is asked for before anything starts."""
        if self.log_observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self.log_observer)
        super().setServiceParent(parent)

    def startService(self) -> None:
        """Start all in order; from now on SIGHUP reloads the settings."""
        if self._reactor is not None and self._live is not None:
            on_hangup(self._reactor, partial(_try_to_reload, self._live))
        super().startService()

    def stopService(self) -> Any:
        """Stop all in order; a second signal lets nobody finish any more."""
        if self._reactor is not None:
            on_second_signal(self._reactor, self._hurry)
        return super().stopService()

    def _hurry(self) -> None:
        for service in self:
            if hasattr(service, "hurry"):
                service.hurry()


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
    return Application(services, _observer(live, options), reactor, live)


def _observer(live: Live, options: Options) -> ILogObserver | None:
    if not _logs_to_terminal(options):
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


def _logs_to_terminal(options: Options) -> bool:
    """Whether twistd was told nothing else of its log: a file, syslog or a logger of the operator's own has its way."""
    twistd = options.parent
    return twistd is not None and bool(twistd["nodaemon"]) and not any(twistd[o] for o in ("logfile", "syslog", "logger"))


def _load(path: Path | None) -> Settings:
    settings = load(path, os.environ)
    for each in exposed_files(path, os.environ):
        log.warn(
            "{path} holds a secret, and others than its owner may read it (chmod 600, or 640 and a group)",
            event="daemon.secret-exposed",
            path=each,
        )
    return settings


def _not_used(settings: Settings) -> list[str]:
    """Name settings that are set, and change nothing yet: an operator must not believe that they do."""
    unused = [key for key in NOT_USED if _value(settings, key) != SETTINGS[key].default]
    # Nobody issues the certificate that these names are for.
    idle = settings.traefik.default_sans and resolver_of(settings.traefik) is None
    return [*unused, *(["traefik.default_sans"] if idle else [])]


def _value(settings: Settings, key: str) -> Any:
    return attrgetter(key)(settings)
