"""The ``webspaced`` subcommand of twistd: options, settings, and the daemon built of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from twisted.application.service import IService
from twisted.logger import Logger
from twisted.python.usage import Options as TwistedOptions

from webspaced.errors import WebspacedError
from webspaced.lib.logs import log_observer
from webspaced.settings import Settings, SettingsError, find_config, load

log = Logger()


class Options(TwistedOptions):
    """Command line options."""

    synopsis = "[--config FILE]"
    optParameters = [  # noqa: RUF012  (Twisted's way)
        ["config", "c", None, "The YAML file with the settings (default: webspaced.yaml here, then below /run/config)"],
    ]


def makeService(options: Options) -> IService:
    """Build the daemon, or end with a line for each mistake and an exit status that is not 0."""
    from twisted.internet import reactor  # noqa: PLC0415, TID251  (the plugin's entry: the one place that picks it)

    try:
        settings = _load(options)
        from webspaced.assembly import build  # noqa: PLC0415  (settings are checked before the rest is loaded)

        for key in _not_used(settings):
            log.warn("{key} is set, and not used by this version yet", key=key)
        daemon = build(reactor, settings)
        if _logs_to_terminal(options):
            daemon.log_observer = log_observer(sys.stdout, settings.log_level, settings.log_format)
        return daemon
    except (SettingsError, WebspacedError) as error:
        sys.exit(str(error))


def _logs_to_terminal(options: Options) -> bool:
    """Whether twistd was told nothing else of its log: a file, syslog or a logger of the operator's own has its way."""
    twistd = options.parent
    return twistd is not None and bool(twistd["nodaemon"]) and not any(twistd[o] for o in ("logfile", "syslog", "logger"))


def _load(options: Options) -> Settings:
    given = options["config"]
    path = Path(given) if given else find_config(Path.cwd())
    settings = load(path, os.environ)
    not_served = _not_served(settings)
    if not_served:
        raise SettingsError(f"{path or 'environment'}: {line}" for line in not_served)
    return settings


def _not_used(settings: Settings) -> list[str]:
    """Name settings that are set, and change nothing yet: an operator must not believe that they do."""
    http, traefik, webspaces = settings.http, settings.traefik, settings.webspaces
    present = {
        "http.cors.allowed_origins": http.cors.allowed_origins != ("*",),
        "webspaces.ports.kubernetes_service": webspaces.ports.kubernetes_service is not None,
        "traefik.default_sans": bool(traefik.default_sans),
        "traefik.webspaced_url": traefik.webspaced_url is not None,
        "traefik.iam_token": traefik.iam_token is not None,
    }
    return [key for key, given in present.items() if given]


def _not_served(settings: Settings) -> list[str]:
    """Name settings that are understood, but ask for what this version does not have: better than doing nothing."""
    found = []
    if settings.traefik.provider not in ("file", "http"):
        found.append(f"traefik.provider: {settings.traefik.provider} is not served by this version yet (file and http are)")
    if settings.lxd.url.startswith("https"):
        found.append("lxd.url: HTTPS is not served by this version yet (a unix:// socket is)")
    return found
