"""The ``webspaced-images`` subcommand of twistd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.application.service import IService

from webspaced.base.figures import page_of
from webspaced.base.plugin import ServiceOptions, make_service
from webspaced.base.site import operators_site
from webspaced.images.metrics import CATALOGUE
from webspaced.images.settings import SCHEMA, Settings

Options = ServiceOptions


def makeService(options: ServiceOptions) -> IService:
    """Build the image server, or end with a line for each mistake and an exit status that is not 0."""
    from twisted.internet import reactor  # noqa: PLC0415, TID251  (the plugin's entry: the one place that picks it)

    return make_service(reactor, options, SCHEMA, build)


def build(reactor: Any, settings: Settings) -> Sequence[IService]:
    """Give the services of the image server."""
    figures = page_of(CATALOGUE, lambda: ())
    return [operators_site(reactor, settings.operators_address, lambda: None, figures)]
