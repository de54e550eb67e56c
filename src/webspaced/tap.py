"""The ``webspaced`` subcommand of twistd: options, settings, and the daemon built of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.application.service import IService
from twisted.logger import Logger
from twisted.python.usage import Options as TwistedOptions

from webspaced.errors import WebspacedError
from webspaced.lib.logs import log_observer
from webspaced.settings import SETTINGS, Settings, SettingsError, find_config, load

log = Logger()


@frozen
class Wish:
    """What a setting can ask for in vain: ``what``, and what there is ``instead``.

    ``asks`` tells of a value whether it does; ``with_it`` are settings that mean something only together with it.
    """

    key: str
    what: str
    instead: str
    asks: Callable[[Any], bool]
    with_it: tuple[str, ...] = ()


NOT_USED = (
    "http.cors.allowed_origins",
    "webspaces.ports.kubernetes_service",
    "traefik.default_sans",
    "traefik.webspaced_url",
    "traefik.iam_token",
)
"""Settings that nothing reads yet, and that can be left aside: they are warned of."""
NOT_SERVED = (
    Wish(
        "traefik.provider",
        "redis",
        "file and http are",
        lambda value: value == "redis",
        ("traefik.redis.addr", "traefik.redis.db", "traefik.redis.cert_resolver"),
    ),
    Wish(
        "traefik.provider",
        "kubernetes",
        "file and http are",
        lambda value: value == "kubernetes",
        ("traefik.kubernetes.namespace", "traefik.kubernetes.default_secret", "traefik.kubernetes.cluster_issuer"),
    ),
    Wish(
        "lxd.url",
        "HTTPS",
        "a unix:// socket is",
        lambda value: value.startswith("https"),
        (
            "lxd.tls.ca",
            "lxd.tls.server_cert",
            "lxd.tls.client_cert",
            "lxd.tls.client_key",
            "lxd.tls.trust_password",
            "lxd.tls.allow_insecure",
        ),
    ),
)
"""What ends the start. A test holds every setting that is in neither table against what is read."""


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
    return [key for key in NOT_USED if _value(settings, key) != SETTINGS[key].default]


def _not_served(settings: Settings) -> list[str]:
    """Name settings that are understood, but ask for what this version does not have: better than doing nothing."""
    return [
        f"{wish.key}: {wish.what} is not served by this version yet ({wish.instead})"
        for wish in NOT_SERVED
        if wish.asks(_value(settings, wish.key))
    ]


def _value(settings: Settings, key: str) -> Any:
    return attrgetter(key)(settings)
