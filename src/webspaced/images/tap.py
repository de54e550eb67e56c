"""The ``webspaced-images`` subcommand of twistd."""

from __future__ import annotations

from twisted.application.service import IService

from webspaced.base.plugin import ServiceOptions, make_service
from webspaced.images.server import build
from webspaced.images.settings import SCHEMA

Options = ServiceOptions


def makeService(options: ServiceOptions) -> IService:
    """Build the image server, or end with a line for each mistake and an exit status that is not 0."""
    from twisted.internet import reactor  # noqa: PLC0415, TID251  (the plugin's entry: the one place that picks it)

    return make_service(reactor, options, SCHEMA, build)
