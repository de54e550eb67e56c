from __future__ import annotations

import io
import json
from contextvars import copy_context

from twisted.logger import Logger, LogPublisher
from twisted.logger._legacy import publishToNewObserver
from twisted.python.failure import Failure
from twisted.python.log import textFromEventDict
from twisted.trial.unittest import SynchronousTestCase

from webspaced.lib.logs import REQUEST_ID, log_observer


class LogTests(SynchronousTestCase):
    def written(self, level: str, form: str) -> str:
        stream = io.StringIO()
        publisher = LogPublisher(log_observer(stream, level, form))
        ours = Logger(namespace="webspaced.test", observer=publisher)
        ours.debug("a detail")
        ours.info("webspace {uid} is up", uid=7)
        ours.warn("a worry")
        Logger(namespace="twisted.web.client._Factory", observer=publisher).info("Starting factory")
        return stream.getvalue()

    def test_lines_from_the_level_on(self) -> None:
        lines = self.written("info", "text").splitlines()
        self.assertEqual([line.partition("] ")[2] for line in lines], ["webspace 7 is up", "a worry"])
        self.assertIn("a detail", self.written("trace", "text"))
        self.assertNotIn("is up", self.written("warn", "text"))
        for level in ("fatal", "panic"):
            self.assertEqual(self.written(level, "text"), "")

    def test_a_question_to_a_dns_server_is_no_four_lines(self) -> None:
        stream = io.StringIO()
        observer = log_observer(stream, "info", "text")
        udp = ("DNSDatagramProtocol starting on 5", "(UDP Port 5 Closed)")
        started = tuple(f"{verb} protocol <twisted.names.dns.DNSDatagramProtocol>" for verb in ("Starting", "Stopping"))
        for text in (*udp, *started, "Site starting on 80"):
            event = {"message": (text,), "time": 0.0, "system": "-", "isError": 0}
            publishToNewObserver(observer, event, textFromEventDict)
        self.assertEqual([line.partition("] ")[2] for line in stream.getvalue().splitlines()], ["Site starting on 80"])

    def in_request(self, form: str) -> list[str]:
        stream = io.StringIO()
        ours = Logger(namespace="webspaced.test", observer=LogPublisher(log_observer(stream, "info", form)))

        def lines() -> None:
            REQUEST_ID.set("mine")
            ours.info("one")
            ours.info("two", request_id="its own")
            ours.info("three", log_system="-")

        copy_context().run(lines)
        ours.info("four")
        return stream.getvalue().splitlines()

    def test_lines_of_a_request_have_its_id_beside_the_level(self) -> None:
        self.assertEqual([line.partition(" ")[2] for line in self.in_request("text")], [
            "[webspaced.test#info mine] one", "[webspaced.test#info its own] two", "[-] three", "[webspaced.test#info] four",
        ])  # fmt: skip

    def test_events_of_a_request_have_its_id(self) -> None:
        ids = [json.loads(line).get("request_id") for line in self.in_request("json")]
        self.assertEqual(ids, ["mine", "its own", "mine", None])

    def shown(self, text: str, *, failing: bool = False) -> str:
        stream = io.StringIO()
        ours = Logger(namespace="webspaced.test", observer=LogPublisher(log_observer(stream, "info", "text")))
        if failing:
            ours.failure("{text} failed", Failure(ValueError(f"why: {text}")), text=text)
        else:
            ours.info("a container said {text}", text=text)
        return stream.getvalue()

    def test_nothing_that_is_logged_begins_a_line_or_moves_the_cursor(self) -> None:
        said = self.shown("é\n2026-01-01 [forged] \x1b[2J\r\x85\u2028\tx\x00")
        self.assertEqual(said.count("\n"), 1)
        self.assertTrue(said[:-1].isprintable(), said)
        self.assertTrue(said.endswith("said é\\n2026-01-01 [forged] \\x1b[2J\\r\\x85\\u2028\\tx\\x00\n"), said)

    def test_tracebacks_stay_readable(self) -> None:
        self.readable(self.shown("one\ntwo\x1b", failing=True))
        # Klein writes in the former way.
        failure = Failure(ValueError("why: one\ntwo\x1b"))
        stream = io.StringIO()
        event = {"isError": True, "failure": failure, "why": "one\ntwo\x1b failed", "system": "webspaced.test#critical"}
        publishToNewObserver(log_observer(stream, "info", "text"), {**event, "time": 0.0, "message": ()}, textFromEventDict)
        self.readable(stream.getvalue())

    def readable(self, lines: str) -> None:
        first, *more = lines.splitlines()
        self.assertTrue(first.endswith("[webspaced.test#critical] one\\ntwo\\x1b failed"), first)
        self.assertTrue(any(line.endswith("ValueError: why: one") for line in more), more)
        for line in more:
            self.assertTrue(line.startswith("\t") and line.replace("\t", "").isprintable(), line)

    def test_each_line_of_json_is_an_event_with_its_fields(self) -> None:
        events = [json.loads(line) for line in self.written("info", "json").splitlines()]
        self.assertEqual([event["log_format"] for event in events], ["webspace {uid} is up", "a worry"])
        self.assertEqual(events[0]["uid"], 7)
