from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from twisted.logger import Logger, LogPublisher
from twisted.logger._legacy import publishToNewObserver
from twisted.python.failure import Failure
from twisted.python.log import textFromEventDict
from twisted.trial.unittest import SynchronousTestCase

from webspaced.lib.json_lines import moment
from webspaced.lib.logs import BOOT_ID, REQUEST_ID, VISIT_ID, log_observer


class LogTests(SynchronousTestCase):
    def written(self, level: str, form: str) -> str:
        stream = io.StringIO()
        publisher = LogPublisher(log_observer(stream, level, form))
        ours = Logger(namespace="webspaced.test", observer=publisher)
        ours.debug("a detail")
        ours.info("webspace {webspace} is up", event="boot.up", webspace=7)
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
        up, worry = [json.loads(line) for line in self.written("info", "json").splitlines()]
        self.assertEqual(list(up), ["time", "level", "event", "message", "logger", "webspace"])
        self.assertRegex(up.pop("time"), r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        self.assertEqual(up, {
            "level": "info", "event": "boot.up", "message": "webspace 7 is up", "logger": "webspaced.test", "webspace": 7,
        })  # fmt: skip
        self.assertEqual([worry.get(name) for name in ("level", "event", "message")], ["warn", None, "a worry"])

    def json_of(self, say: Callable[[Logger], None], namespace: str = "webspaced.test") -> dict[str, Any]:
        stream = io.StringIO()
        say(Logger(namespace=namespace, observer=LogPublisher(log_observer(stream, "debug", "json"))))
        self.assertTrue(stream.getvalue().isascii())
        (line,) = stream.getvalue().splitlines()
        told: dict[str, Any] = json.loads(line)
        return told

    def test_a_failure_is_one_line_with_its_traceback(self) -> None:
        failure = Failure(ValueError("a\nb"))
        told = self.json_of(lambda log: log.failure("{path} failed", failure, event="http.broke", path="/\n"))
        self.assertEqual((told["level"], told["message"], told["path"]), ("critical", "/\n failed", "/\n"))
        self.assertIn("ValueError: a\nb", told["traceback"])
        self.assertFalse([name for name in told if name.startswith("log_")])

    def test_libraries_have_no_name_and_no_fields(self) -> None:
        told = self.json_of(lambda log: log.info("{thing} of {event}", event="theirs", thing=object()), "twisted.web.server")
        self.assertEqual(set(told), {"time", "level", "message", "logger"})
        self.assertTrue(told["message"].endswith(" of theirs"))

    def test_what_klein_logs(self) -> None:
        stream = io.StringIO()
        event = {"isError": True, "failure": Failure(ValueError("why")), "why": "one\ntwo", "system": "-", "message": ()}
        event["time"] = 0.0
        publishToNewObserver(log_observer(stream, "info", "json"), event, textFromEventDict)
        told = json.loads(stream.getvalue())
        self.assertEqual([told[name] for name in ("time", "level", "message")], [moment(0), "critical", "one\ntwo"])
        self.assertIn("ValueError: why", told["traceback"])

    def test_all_ids_of_the_context(self) -> None:
        def say(log: Logger) -> None:
            VISIT_ID.set("a visit")
            BOOT_ID.set("a boot")
            log.info("text", event="boot.up")

        told = copy_context().run(self.json_of, say)
        self.assertEqual((told["visit_id"], told["boot_id"], told.get("request_id")), ("a visit", "a boot", None))

    def test_no_field_takes_the_place_of_the_lines_own(self) -> None:
        told = self.json_of(lambda log: log.info("text", event="boot.up", time=1, message=3, logger=4))
        self.assertEqual((told["level"], told["message"], told["logger"]), ("info", "text", "webspaced.test"))
