"""The ``webspaced-lan`` subcommand of twistd."""

from __future__ import annotations

from pathlib import Path

from twisted.application.service import IService

from webspaced.base.plugin import ServiceOptions, make_service
from webspaced.lan.settings import SCHEMA, former_file
from webspaced.lib.extras import extra

Options = ServiceOptions


def makeService(options: ServiceOptions) -> IService:
    """Build the agent, or end with a line for each mistake and an exit status that is not 0."""
    from twisted.internet import reactor  # noqa: PLC0415, TID251  (the plugin's entry: the one place that picks it)

    with extra("lan", "pyroute2", "the container network"):
        from webspaced.lan.build import build  # noqa: PLC0415

    if not options["config"] and (former := former_file(Path.cwd())) is not None:
        options["config"] = str(former)
    return make_service(reactor, options, SCHEMA, build)
