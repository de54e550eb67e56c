"""Spans as OpenTelemetry's SDK has them, sent by OTLP over HTTP in a thread of the SDK's own."""

from __future__ import annotations

import logging
from importlib.metadata import version
from threading import Thread
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from twisted.logger import Logger

from webspaced.lib.spans import ISpan
from webspaced.lib.sparing import Sparing

EXPORT_TIMEOUT = 5
"""Seconds for one request to the collector."""
LAST_SPANS = 2.0
"""Seconds for what still waits when the daemon has stopped."""
PREFIX = "webspaced."


class Span:
    """See :class:`webspaced.lib.spans.ISpan`."""

    def __init__(self, tracer: trace.Tracer, span: trace.Span) -> None:
        self._tracer = tracer
        self._span = span
        self._is_over = False

    def child(self, name: str, **attributes: Any) -> ISpan:
        """Begin a part, under this one whatever the SDK takes for the current span."""
        context = trace.set_span_in_context(self._span)
        return Span(self._tracer, self._tracer.start_span(name, context, attributes=_named(attributes)))

    def note(self, **attributes: Any) -> None:
        """See :meth:`ISpan.note`."""
        self._span.set_attributes(_named(attributes))

    def link(self, other: ISpan) -> None:
        """See :meth:`ISpan.link`."""
        if isinstance(other, Span):
            self._span.add_link(other._span.get_span_context())  # noqa: SLF001  (one of its own kind)

    def end(self, error: str = "") -> None:
        """See :meth:`ISpan.end`."""
        if self._is_over:
            return
        self._is_over = True
        if error:
            self._span.set_status(trace.StatusCode.ERROR, error)
        self._span.end()


def _named(attributes: dict[str, Any]) -> dict[str, Any]:
    """Give attributes by their full names: OpenTelemetry's own have ``http_`` here, and dots there."""
    return {
        f"http.{name.removeprefix('http_').replace('__', '.')}" if name.startswith("http_") else PREFIX + name: value
        for name, value in attributes.items()
    }


class Tracer:
    """See :class:`webspaced.lib.spans.ITracer`. It has a provider of its own: other daemons of the process have theirs."""

    def __init__(self, processor: SpanProcessor, ratio: float = 1.0) -> None:
        """:param ratio: of how many traces one is kept, from 0 to 1."""
        about = Resource.create({"service.name": "webspaced", "service.version": version("webspaced")})
        sampler = ParentBased(TraceIdRatioBased(ratio))
        self._provider = TracerProvider(sampler=sampler, resource=about, shutdown_on_exit=False)
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("webspaced")

    @classmethod
    def sending(cls, reactor: Any, endpoint: str, ratio: float) -> Tracer:
        """Give one that sends what it has in a thread, and ends with the reactor."""
        _tell_of_failures(reactor)
        tracer = cls(BatchSpanProcessor(exporter_for(endpoint)), ratio)
        # When nobody waits for the reactor any more.
        reactor.addSystemEventTrigger("after", "shutdown", tracer.close)
        return tracer

    def root(self, name: str, **attributes: Any) -> ISpan:
        """See :meth:`ITracer.root`."""
        context = trace.set_span_in_context(trace.INVALID_SPAN)
        return Span(self._tracer, self._tracer.start_span(name, context, attributes=_named(attributes)))

    def close(self, within: float = LAST_SPANS) -> bool:
        """Send what waits, for so many seconds at most; whether that was done."""
        # The SDK waits for much longer, for a collector that does not answer.
        ending = Thread(target=self._provider.shutdown, name="traces", daemon=True)
        ending.start()
        ending.join(within)
        return not ending.is_alive()


def exporter_for(endpoint: str) -> SpanExporter:
    """Give what sends spans to a collector."""
    return OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_TIMEOUT)


def _tell_of_failures(reactor: Any) -> None:
    theirs = logging.getLogger("opentelemetry")
    theirs.handlers = [_Told(reactor)]
    theirs.propagate = False


class _Told(logging.Handler):
    """Brings what the SDK logs, in its thread, into our log."""

    log = Logger()

    def __init__(self, reactor: Any) -> None:
        super().__init__(logging.WARNING)
        self._reactor = reactor
        self._lines = Sparing(reactor, self.log, "failures of traces")

    def emit(self, record: logging.LogRecord) -> None:
        """See ``logging.Handler``."""
        self._reactor.callFromThread(self._tell, record.getMessage())

    def _tell(self, message: str) -> None:
        if self._lines.may(""):
            self.log.warn("traces are lost: {error}", event="tracing.lost", error=message)
