"""``webspaced-images run``: the server itself."""

from __future__ import annotations

import argparse

from webspaced.base.commands import Command, exec_twistd
from webspaced.images.cli.chosen import add_config_option


def _configure(parser: argparse.ArgumentParser) -> None:
    add_config_option(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    config = [] if arguments.config is None else ["--config", str(arguments.config)]
    return exec_twistd("webspaced-images", *config)


RUN = Command(name="run", help="run the server, as `twistd -n webspaced-images` does", configure=_configure)
