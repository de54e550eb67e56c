"""The settings: what can be set, from which sources it is read, and what is said when it is wrong.

Every setting is declared once, in a field of a frozen class, with its kind, unit, default and
reason; the sample configuration and the reference page are printed from these declarations. A
source (a YAML file, the environment, the defaults of a machine by itself) gives raw values by
dotted key; the loader merges them, parses each, completes those whose defaults follow from others,
and checks what must hold between them::

    sources -> loader -> kinds, derive, checks -> schema (backends, webspaces, traefik) -> reference

This room knows no Twisted, and nothing of what the settings are for.
"""

from webspaced.settings.backends import Iam, Lxd, LxdTls
from webspaced.settings.declared import Schema
from webspaced.settings.http import Cors, Http, Limits
from webspaced.settings.kinds import parse_origin
from webspaced.settings.loader import find_config, load, load_for
from webspaced.settings.problems import SettingsError
from webspaced.settings.redis import TraefikRedis, TraefikRedisSentinel, TraefikRedisTls
from webspaced.settings.renewal import renewed
from webspaced.settings.schema import SCHEMA, SETTINGS, STANDALONE, Settings, Timeouts
from webspaced.settings.secrecy import exposed_files
from webspaced.settings.sources import find_file
from webspaced.settings.traefik import Traefik, TraefikAcme, TraefikFile, TraefikKubernetes, resolver_of
from webspaced.settings.values import Address, format_duration, parse_duration
from webspaced.settings.webspaces import BootPorts, ConfigDefaults, Ports, Webspaces

__all__ = [
    "SCHEMA",
    "SETTINGS",
    "STANDALONE",
    "Address",
    "BootPorts",
    "ConfigDefaults",
    "Cors",
    "Http",
    "Iam",
    "Limits",
    "Lxd",
    "LxdTls",
    "Ports",
    "Schema",
    "Settings",
    "SettingsError",
    "Timeouts",
    "Traefik",
    "TraefikAcme",
    "TraefikFile",
    "TraefikKubernetes",
    "TraefikRedis",
    "TraefikRedisSentinel",
    "TraefikRedisTls",
    "Webspaces",
    "exposed_files",
    "find_config",
    "find_file",
    "format_duration",
    "load",
    "load_for",
    "parse_duration",
    "parse_origin",
    "renewed",
    "resolver_of",
]
