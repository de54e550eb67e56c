"""The ``webspaced-router`` subcommand of twistd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.application.service import IService

from webspaced.base.plugin import ServiceOptions, make_service
from webspaced.router.settings import SCHEMA, Settings


class Options(ServiceOptions):
    """Command line options."""


def makeService(options: Options) -> IService:
    """Build the router, or end with a line for each mistake and an exit status that is not 0."""
    from twisted.internet import reactor  # noqa: PLC0415, TID251  (the plugin's entry: the one place that picks it)

    return make_service(reactor, options, SCHEMA, build)


def build(reactor: Any, settings: Settings) -> Sequence[IService]:
    """Give the services of the router."""
    from webspaced.router.build import build as built  # noqa: PLC0415  (settings are checked before the rest is loaded)

    return built(reactor, settings)
