"""Settings of traces."""

from __future__ import annotations

import attrs

from webspaced.settings.fields import setting
from webspaced.settings.kinds import WEB_URL, number


@attrs.frozen(kw_only=True)
class Tracing:
    """Traces for OpenTelemetry; they need the extra `tracing`."""

    endpoint: str | None = setting(
        WEB_URL,
        "Where traces are sent, by OTLP over HTTP; nowhere if it is not set.",
        default=None,
        example="http://127.0.0.1:4318/v1/traces",
    )
    ratio: float = setting(number(0, 1), "Which part of all traces is kept.", default=1.0)
