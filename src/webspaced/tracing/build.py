"""The tracer that the settings ask for."""

from __future__ import annotations

from typing import Any

from webspaced.lib.extras import extra
from webspaced.lib.spans import ITracer
from webspaced.settings import Settings

EXTRA = "tracing"


def tracer_for(reactor: Any, settings: Settings) -> ITracer | None:
    """Give what begins traces; ``None`` where there are to be none.

    :raises Invalid: the libraries are not installed.
    """
    tracing = settings.tracing
    if tracing.endpoint is None:
        return None
    with extra(EXTRA, "opentelemetry", "tracing.endpoint"):
        from webspaced.tracing.otel import Tracer  # noqa: PLC0415  (an extra, and nobody else should have its memory)
    return Tracer.sending(reactor, tracing.endpoint, tracing.ratio)
