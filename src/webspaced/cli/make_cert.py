"""``webspaced make-cert``: the client certificate by which an LXD over HTTPS knows webspaced."""

from __future__ import annotations

import argparse
import datetime as dt
from pathlib import Path

from webspaced.cli.command import Command, add_config_option, give, say, settings_of
from webspaced.lxd.certificate import write_certificate
from webspaced.settings import SettingsError
from webspaced.settings.derive import default_data_dir

NAME = "lxd-client"


def _directory(arguments: argparse.Namespace) -> Path:
    if arguments.directory is not None:
        directory: Path = arguments.directory
        return directory
    try:
        return settings_of(arguments).data_dir
    except SettingsError:
        # Before there is a certificate, there may be no settings yet that hold together.
        if arguments.config is not None:
            raise
        return default_data_dir()


def _make(arguments: argparse.Namespace) -> int:
    directory = _directory(arguments).absolute()
    certificate, key = directory / f"{NAME}.crt", directory / f"{NAME}.key"
    write_certificate(certificate, key, dt.datetime.now(dt.UTC))
    say(f"The certificate is {certificate}, its key {key} (keep that one to yourself).")
    say("Have LXD trust it, there (or with Incus: incus config trust add-certificate):")
    give(f"lxc config trust add {certificate} --name webspaced")
    say("and name both to webspaced:")
    say(f"  lxd:\n    url: https://HOST:8443\n    tls:\n      client_cert_file: {certificate}\n      client_key_file: {key}")
    say("      server_cert_file: FILE   # LXD's own server.crt (in a cluster its cluster.crt)")
    return 0


def _configure(parser: argparse.ArgumentParser) -> None:
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--directory", type=Path, metavar="DIR", help="where to write both (default: data_dir)")
    add_config_option(where)
    parser.set_defaults(run=_make)


MAKE_CERT = Command(
    name="make-cert",
    help="make a client certificate for an LXD over HTTPS, and print how to have it trusted",
    configure=_configure,
)
