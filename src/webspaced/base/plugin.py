"""What the twistd plugin of a service beside the daemon is made of: its option, and its settings turned into services."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from twisted.application.service import IService
from twisted.logger import ILogObserver
from twisted.python.usage import Options

from webspaced.base.application import Application, logs_to_terminal, warn_of_exposed
from webspaced.errors import WebspacedError
from webspaced.lib.clocks import go_by_monotonic_time
from webspaced.lib.logs import log_observer
from webspaced.settings import Schema, SettingsError, find_file, load_for


class Logged(Protocol):
    """The settings that every service has; see `webspaced.settings.service.ServiceSettings`."""

    @property
    def log_level(self) -> str: ...

    @property
    def log_format(self) -> str: ...


S = TypeVar("S", bound=Logged)


class ServiceOptions(Options):
    """The command line of such a service."""

    synopsis = "[--config FILE]"
    optParameters = [  # noqa: RUF012  (Twisted's way)
        ["config", "c", None, "The settings (default: <name>.yaml here, then in /run/config, then in /etc/webspaced)"],
    ]


def make_service(
    reactor: Any, options: ServiceOptions, schema: Schema[S], build: Callable[[Any, S], Sequence[IService]]
) -> IService:
    """Read the settings and build the service, or end with a line for each mistake and an exit status that is not 0.

    :param build: gives the services of a reactor and the settings, in the order in which they start.
    """
    # Before anything is scheduled: whatever waits here does not care when somebody sets the machine's clock.
    go_by_monotonic_time(reactor)
    try:
        settings = read_settings(schema, options["config"])
        return Application(build(reactor, settings), _observer(options, settings), reactor)
    except (SettingsError, WebspacedError) as error:
        sys.exit(str(error))


def read_settings(schema: Schema[S], given: str | Path | None) -> S:
    """Give the settings of a file, or of the one that is found; warn of secrets in it that others may read.

    :raises SettingsError: with all that is wrong.
    """
    path = Path(given).absolute() if given else find_file(schema, Path.cwd())
    settings = load_for(schema, path, os.environ)
    warn_of_exposed(path, schema)
    return settings


def _observer(options: ServiceOptions, settings: Logged) -> ILogObserver | None:
    return log_observer(sys.stdout, settings.log_level, settings.log_format) if logs_to_terminal(options) else None
