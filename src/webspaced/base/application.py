"""A service as twistd runs it: its parts in order, its log, and the signals that it heeds."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from twisted.application.service import IService, MultiService
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized

from webspaced.errors import WebspacedError
from webspaced.lib.hangup import on_hangup
from webspaced.lib.second_signal import on_second_signal
from webspaced.settings import Schema, exposed_files

log = Logger()


class Application(MultiService):
    """All services of the process, with our way of writing its log: twistd asks its application for that."""

    def __init__(
        self, services: Sequence[IService], observer: ILogObserver | None, reactor: Any = None,
        reload: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        """:param reload: reads the settings again, upon SIGHUP; it must not raise."""
        super().__init__()
        self._reactor = reactor
        self._reload = reload
        self.log_observer = observer
        for service in services:
            service.setServiceParent(self)

    def setServiceParent(self, parent: Any) -> None:
        """Join twistd's application, and bring our observer along: it is asked for before anything starts."""
        if self.log_observer is not None and isinstance(parent, Componentized):
            parent.setComponent(ILogObserver, self.log_observer)
        super().setServiceParent(parent)

    def startService(self) -> None:
        """Start all in order; from now on SIGHUP reloads the settings. What cannot start ends the process with a line."""
        if self._reactor is not None and self._reload is not None:
            on_hangup(self._reactor, self._reload)
        try:
            super().startService()
        except WebspacedError as error:
            sys.exit(str(error))

    def stopService(self) -> Any:
        """Stop all in order; a second signal lets nobody finish any more."""
        if self._reactor is not None:
            on_second_signal(self._reactor, self._hurry)
        return super().stopService()

    def _hurry(self) -> None:
        for service in self:
            if hasattr(service, "hurry"):
                service.hurry()


def logs_to_terminal(options: Any) -> bool:
    """Whether twistd was told nothing else of its log: a file, syslog or a logger of the operator's own has its way.

    :param options: those of the service, below twistd's own.
    """
    twistd = options.parent
    return twistd is not None and bool(twistd["nodaemon"]) and not any(twistd[o] for o in ("logfile", "syslog", "logger"))


def warn_of_exposed(path: Path | None, schema: Schema[Any]) -> None:
    """Log which files with secrets others may read."""
    for each in exposed_files(path, os.environ, schema):
        log.warn(
            "{path} holds a secret, and others than its owner may read it (chmod 600, or 640 and a group)",
            event="daemon.secret-exposed",
            path=each,
        )
