from __future__ import annotations

import io
import json
from contextvars import copy_context

from twisted.logger import Logger, LogPublisher
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

    def test_each_line_of_json_is_an_event_with_its_fields(self) -> None:
        events = [json.loads(line) for line in self.written("info", "json").splitlines()]
        self.assertEqual([event["log_format"] for event in events], ["webspace {uid} is up", "a worry"])
        self.assertEqual(events[0]["uid"], 7)
