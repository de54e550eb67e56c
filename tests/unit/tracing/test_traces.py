"""Traces of the whole daemon in memory: one tree from a request or a visit to LXD's operation."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from threading import Event
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import Logger, LogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.simulation.client import Exchange
from tests.simulation.deployment import API, default_host
from tests.unit.metrics.lived import Lived
from webspaced.lib.logs import log_observer
from webspaced.tracing import otel
from webspaced.tracing.otel import Tracer

ENDPOINT = "http://127.0.0.1:4318/v1/traces"
PUT_STATE = "lxd PUT /instances/{}/state"
Tree = dict[str, Any]


class TraceCase(SynchronousTestCase):
    def begin(self, *, ratio: float = 1.0, **webspaces: Any) -> None:
        """Start a daemon whose spans are kept, with a webspace that sleeps."""
        self.exporter = InMemorySpanExporter()
        self.patch(otel, "BatchSpanProcessor", SimpleSpanProcessor)
        self.patch(otel, "exporter_for", lambda _endpoint: self.exporter)
        self.lived = Lived(more={"tracing": {"endpoint": ENDPOINT, "ratio": ratio}}, webspaces=webspaces)
        self.addCleanup(self.lived.close)
        self.assertEqual(self.lived.ask("POST", "", {"image": "fast"}), 201)
        self.lived.d.pass_time(2)
        self.exporter.clear()

    def spans(self, name: str = "") -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name == name or not name]

    def trees(self) -> list[tuple[str, Tree]]:
        """Give the trees of names; each span's parent must be there."""
        spans = self.spans()
        ids = {span.context.span_id for span in spans if span.context}
        for span in spans:
            self.assertTrue(span.parent is None or span.parent.span_id in ids, f"{span.name} has lost its parent")
        return [(span.name, self._below(span)) for span in spans if span.parent is None]

    def _below(self, span: ReadableSpan) -> Tree:
        assert span.context is not None
        own = span.context.span_id
        parts = [each for each in self.spans() if each.parent is not None and each.parent.span_id == own]
        for part in parts:
            self.assertEqual(part.context and part.context.trace_id, span.context.trace_id)
        return {part.name: self._below(part) for part in parts}

    def visit(self, uid: int = 1) -> Exchange | None:
        return self.lived.d.visit(default_host(uid), self.lived.d.views()[0])


class RequestTests(TraceCase):
    def test_a_boot(self) -> None:
        self.begin()
        self.assertEqual(self.lived.ask("POST", "/state"), 204)
        ((name, tree),) = self.trees()
        self.assertEqual(name, "POST /v1/webspace/{}/state")
        self.assertIn("boot", tree)
        self.assertLessEqual({PUT_STATE, "lxd operation"}, tree["boot"].keys())
        self.assertIn("lxd GET /operations/{}/wait", tree["boot"]["lxd operation"])
        (root,) = self.spans(name)
        attributes = dict(root.attributes or {})
        self.assertTrue(attributes.pop("webspaced.request_id"))
        self.assertEqual(attributes, {
            "http.request.method": "POST", "http.route": "/v1/webspace/{}/state", "http.response.status_code": 204,
            "webspaced.user": "alice",
        })  # fmt: skip

    def test_what_fails(self) -> None:
        self.begin()
        for _ in range(60):
            self.lived.d.lxd.faults.refuse("PUT", "/1.0/instances/ws-u1/state")
        self.assertEqual(self.lived.ask("POST", "/state"), 502)
        ((name, _),) = self.trees()
        for each in (name, "boot", PUT_STATE):
            self.assertIs(self.spans(each)[0].status.status_code, StatusCode.ERROR, each)

    def test_what_programs_ask_all_the_time_is_left_out(self) -> None:
        self.begin()
        asked = self.lived.finish(Exchange(self.lived.d.reactor, API, "GET", "/health", {"Host": "a"}))
        self.assertEqual((asked.status, self.spans()), (204, []))

    def test_what_a_client_writes_is_no_name(self) -> None:
        self.begin()
        self.lived.finish(Exchange(self.lived.d.reactor, API, "GET", "/v1/secret-of-mine?token=x", {"Host": "a"}))
        ((name, _),) = self.trees()
        self.assertEqual(name, "GET other")
        self.assertNotIn("secret", self.spans()[0].to_json())


class VisitTests(TraceCase):
    def test_a_cold_one(self) -> None:
        self.begin()
        self.assertEqual(self.lived.finish(self.visit()).status, 200)
        ((name, tree),) = self.trees()
        self.assertEqual((name, set(tree)), ("visit", {"boot", "port"}))
        self.assertLessEqual({PUT_STATE, "lxd operation"}, tree["boot"].keys())
        (root,), (boot,) = self.spans("visit"), self.spans("boot")
        self.assertEqual(root.attributes and root.attributes["webspaced.webspace"], 1)
        self.assertTrue(boot.attributes and str(boot.attributes["webspaced.boot_id"]).startswith("b-"))
        self.assertIs(root.status.status_code, StatusCode.UNSET)

    def test_those_who_share_a_boot_name_it(self) -> None:
        self.begin()
        visits = [self.visit() for _ in range(3)]
        for each in visits:
            self.assertEqual(self.lived.finish(each).status, 200)
        (boot,) = self.spans("boot")
        roots = self.spans("visit")
        self.assertEqual(len(roots), 3)
        linked = [[link.context for link in root.links] for root in roots]
        self.assertEqual(sorted(linked, key=len), [[], [boot.context], [boot.context]])

    def test_boots_that_wait_for_places_stay_in_their_traces(self) -> None:
        self.begin(max_concurrent_boots=1)
        self.assertEqual(self.lived.ask("POST", "", {"image": "fast"}, 2), 201)
        self.lived.d.pass_time(3)
        self.exporter.clear()
        visits = [self.visit(uid) for uid in (1, 2)]
        for each in visits:
            self.assertEqual(self.lived.finish(each).status, 200)
        self.assertEqual([name for name, _ in self.trees()], ["visit", "visit"])
        for _, tree in self.trees():
            self.assertIn(PUT_STATE, tree["boot"])

    def test_one_that_is_refused(self) -> None:
        self.begin()
        self.assertEqual(self.lived.ask("PUT", "/desired", {"desired": "stopped"}), 200)
        self.exporter.clear()
        self.assertEqual(self.lived.finish(self.visit()).status, 503)
        (root,) = self.spans("visit")
        self.assertIs(root.status.status_code, StatusCode.ERROR)
        self.assertEqual(root.attributes and root.attributes["webspaced.outcome"], "refused")

    def test_one_that_leaves(self) -> None:
        self.begin()
        visit = self.visit()
        self.lived.d.clock.run_for(0.01)
        assert visit is not None
        visit.leave()
        self.lived.d.pass_time(5)
        self.assertEqual(len(self.spans("visit")), 1)

    def test_a_part_of_all(self) -> None:
        self.begin(ratio=0)
        self.assertEqual(self.lived.finish(self.visit()).status, 200)
        self.assertEqual(self.spans(), [])


class OffTests(SynchronousTestCase):
    def test_its_libraries_are_not_loaded(self) -> None:
        code = (
            "import sys, webspaced.assembly.build, webspaced.tap, webspaced.tracing.build;"
            "sys.exit(any(name.split('.')[0] == 'opentelemetry' for name in sys.modules))"
        )
        self.assertEqual(subprocess.run([sys.executable, "-c", code], check=False).returncode, 0)


class EndTests(SynchronousTestCase):
    def test_a_collector_that_does_not_answer_holds_up_no_end(self) -> None:
        class Hanging:
            def __init__(self) -> None:
                self.may_end = Event()

            def on_start(self, *_: Any, **__: Any) -> None:
                pass

            def on_end(self, _span: Any) -> None:
                pass

            def _on_ending(self, _span: Any) -> None:
                pass

            def shutdown(self) -> None:
                self.may_end.wait()

        hanging: Any = Hanging()
        tracer = Tracer(hanging)
        self.assertFalse(tracer.close(0.01))
        hanging.may_end.set()

    def test_what_the_sdk_says_is_in_our_log(self) -> None:
        stream = io.StringIO()
        ours = Logger(namespace="webspaced.tracing", observer=LogPublisher(log_observer(stream, "info", "json")))
        self.patch(otel._Told, "log", ours)
        theirs = logging.getLogger("opentelemetry")
        self.addCleanup(setattr, theirs, "handlers", theirs.handlers)
        self.addCleanup(setattr, theirs, "propagate", theirs.propagate)
        reactor = MemoryReactorClock()
        said: list[Any] = []
        reactor.callFromThread = lambda work, *arguments: said.append((work, arguments))  # type: ignore[attr-defined]
        otel._tell_of_failures(reactor)
        logging.getLogger("opentelemetry.exporter.otlp").error("no answer from %s", "x\ny")
        self.assertEqual(stream.getvalue(), "", "it is another thread's")
        for work, arguments in said:
            work(*arguments)
        told = json.loads(stream.getvalue())
        self.assertEqual((told["event"], told["error"]), ("tracing.lost", "no answer from x\ny"))
