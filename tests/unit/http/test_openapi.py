"""The document and the server say the same. Every answer in the tests of this folder is held against the document, too."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import Any

from openapi_spec_validator import OpenAPIV30SpecValidator
from twisted.trial.unittest import SynchronousTestCase

from tests.openapi import check_answer, closed, document, faults, operation, operations
from tests.unit.http.test_paths import ADMINS_ONLY, MEMBERS_ONLY, TABLE, methods_and_paths
from webspaced.core import certificate
from webspaced.core.creation import Step
from webspaced.core.desired import UNREADABLE
from webspaced.core.login import LONGEST_PASSWORD
from webspaced.errors import Invalid
from webspaced.http import messages, tickets
from webspaced.http.bodies import LARGEST
from webspaced.http.channel import RECEIVE_TIMEOUT
from webspaced.http.terminals import FIRST_MESSAGE_TIMEOUT
from webspaced.settings import SETTINGS
from webspaced.webspaces.certificates import NEAR

PROBLEM = "application/problem+json"


def anonymous(path: str) -> str:
    """Give a path without the names of its parameters."""
    return re.sub(r"<.*?>|\{.*?\}", "{}", path)


def of_route(method: str, path: str) -> Any:
    """Give the description of a route of the server."""
    return next(call for made, template, call in operations() if (made, anonymous(template)) == (method, anonymous(path)))


def statuses(call: Any) -> set[int]:
    return {int(status) for status in call["responses"]}


class DocumentTests(SynchronousTestCase):
    def test_it_is_openapi(self) -> None:
        self.assertEqual([str(error) for error in OpenAPIV30SpecValidator(document()).iter_errors()], [])

    def test_paths_and_methods_are_the_servers(self) -> None:
        served = {(method, anonymous(path)) for method, path in methods_and_paths()}
        described = {(method, anonymous(path)) for method, path, _ in operations()}
        self.assertEqual(sorted(served - described), [], "served, but not in the document")
        self.assertEqual(sorted(described - served), [], "in the document, but not served")

    def test_every_call_has_a_name_of_its_own(self) -> None:
        names = [call["operationId"] for _, _, call in operations()]
        self.assertEqual(len(set(names)), len(names))

    def test_the_statuses_that_callers_get(self) -> None:
        for (method, path), row in TABLE.items():
            missing = {row.ok, *row.refused.values()} - statuses(of_route(method, path))
            self.assertEqual(missing, set(), (method, path))

    def test_every_call_names_what_can_always_go_wrong(self) -> None:
        for (method, path), row in TABLE.items():
            call, path_is_limited = of_route(method, path), path not in ("/live", "/ready", "/health", "/routes")
            wanted = {500} | ({429} if path_is_limited else set())
            if row.refused in (MEMBERS_ONLY, ADMINS_ONLY):
                wanted |= {400, 401, 403, 404, 502, 503, 504}
            if "requestBody" in call:
                wanted |= {408, 413}
            self.assertEqual(wanted - statuses(call), set(), (method, path))

    def test_websockets(self) -> None:
        for path in ("exec", "console"):
            self.assertIn(101, statuses(of_route("GET", f"/v1/webspace/<who>/{path}")))

    def test_errors_are_problems(self) -> None:
        for method, path, call in operations():
            for status, response in call["responses"].items():
                kinds = set(response.get("content", {}))
                if status >= "400" and status != "408":
                    self.assertEqual(kinds, {PROBLEM}, (method, path, status))

    def test_tokens_are_asked_for_where_the_server_does(self) -> None:
        for (method, path), row in TABLE.items():
            needed = of_route(method, path).get("security", document()["security"])
            self.assertEqual(bool(needed), bool(row.refused), (method, path))


class ExampleTests(SynchronousTestCase):
    def examples(self) -> Iterator[tuple[str, Any, Any]]:
        for method, path, call in operations():
            where = f"{method} {path}"
            bodies = [call.get("requestBody", {}), *call["responses"].values()]
            for body in bodies:
                for kind, media in body.get("content", {}).items():
                    for value in self.values(media):
                        yield f"{where} {kind}", value, media["schema"]
            for parameter in document()["paths"][path]["parameters"]:
                for value in self.values(parameter):
                    yield f"{where} {parameter['name']}", value, parameter["schema"]
        for name, schema in document()["components"]["schemas"].items():
            for value in self.values(schema):
                yield name, value, schema

    @staticmethod
    def values(holder: Any) -> list[Any]:
        one = [holder["example"]] if "example" in holder else []
        return [*one, *(each["value"] for each in holder.get("examples", {}).values())]

    def test_they_are_as_their_schemas(self) -> None:
        found = list(self.examples())
        self.assertGreater(len(found), 200)
        for where, value, schema in found:
            self.assertEqual(faults(value, closed(schema)), [], (where, value))

    def test_every_body_has_one(self) -> None:
        for method, path, call in operations():
            for body in [call.get("requestBody", {}), *call["responses"].values()]:
                for kind, media in body.get("content", {}).items():
                    if kind.endswith("json"):
                        self.assertTrue(self.values(media), (method, path, kind))


class MessageTests(SynchronousTestCase):
    """What is said over WebSockets has schemas, too, though no call names them."""

    def example(self, name: str) -> Any:
        return document()["components"]["schemas"][name]["example"]

    def test_the_server_takes_the_examples(self) -> None:
        command, size = messages.exec_message(self.example("TerminalRequest"))
        self.assertEqual((command.argv, size.width), (("/bin/bash", "-l"), 80))
        messages.exec_order(json.dumps(self.example("TerminalOrder")))
        self.assertEqual(messages.console_message(self.example("TerminalSize")).height, 24)

    def test_every_field_is_known_to_both(self) -> None:
        reads = {"TerminalRequest": messages.exec_message, "TerminalSize": messages.console_message}
        for name, read in reads.items():
            for member in document()["components"]["schemas"][name]["properties"]:
                # Null is as good as nothing.
                read({**self.example(name), **({} if member == "command" else {member: None})})
            self.assertRaises(Invalid, read, {**self.example(name), "more": 1})


class LimitTests(SynchronousTestCase):
    """The numbers in the document are those of the server."""

    def schema(self, name: str) -> Any:
        return document()["components"]["schemas"][name]["properties"]

    def test_of_schemas(self) -> None:
        self.assertEqual(self.schema("Command")["command"]["maxLength"], messages.LONGEST_COMMAND)
        self.assertEqual(self.schema("NewCertificate")["certificate"]["maxLength"], certificate.LARGEST_CHAIN)
        self.assertEqual(self.schema("NewCertificate")["key"]["maxLength"], certificate.LARGEST_KEY)
        self.assertEqual(self.schema("NewWebspace")["password"]["maxLength"], LONGEST_PASSWORD)
        self.assertEqual(self.schema("TicketRequest")["path"]["enum"], list(tickets.PATHS))
        self.assertEqual(self.schema("TerminalRequest")["user"]["maximum"], messages.LARGEST_ID)
        self.assertEqual(self.schema("TerminalOrder")["signal"]["maximum"], messages.LAST_SIGNAL)
        self.assertEqual(self.schema("TerminalSize")["width"]["maximum"], messages.LARGEST_SIDE)
        self.assertEqual(self.schema("Creation")["step"]["enum"], [step.value for step in Step])

    def test_what_a_reason_may_be(self) -> None:
        """The patterns of the document and the rule of the server say the same of every character that there is.

        Halves of characters are none; programs that read the document take a pattern with them for broken.
        """
        patterns = {name: re.compile(self.schema("Suspension")[name]["pattern"]) for name in ("reason", "publicReason")}
        for character in (chr(each) for each in range(sys.maxunicode + 1) if not 0xD800 <= each < 0xE000):
            readable = not UNREADABLE.match(character)
            self.assertEqual(bool(patterns["publicReason"].match(character)), readable, ascii(character))
            shown = readable and not character.isspace()
            self.assertEqual(bool(patterns["reason"].match(character)), shown, ascii(character))

    def test_of_texts(self) -> None:
        introduction = document()["info"]["description"].replace("\n", " ")
        for number in (LARGEST, SETTINGS["http.limits.per_address_burst"].default):
            self.assertIn(f"{number:,}", introduction)
        for key in ("per_address", "per_user", "connections_per_address"):
            self.assertIn(f"{SETTINGS[f'http.limits.{key}'].default:g}", introduction)
        self.assertIn(f"{RECEIVE_TIMEOUT:g} seconds", introduction)
        self.said("POST", "/v1/webspace/self/ports/22", f"{SETTINGS['webspaces.ports.max'].default}")
        self.said("POST", "/v1/webspace/self/domains/a.b", f"at most {SETTINGS['webspaces.domains.max'].default} domains")
        terminals = SETTINGS["webspaces.exec.max_terminals"].default
        self.said("GET", "/v1/webspace/self/exec", f"{FIRST_MESSAGE_TIMEOUT:g} seconds", f"{terminals} terminals")
        self.said("POST", "/v1/webspace/self/exec", f"{SETTINGS['webspaces.exec.max_commands'].default} commands")
        self.said(
            "PUT", "/v1/webspace/self/domains/a.b/certificate", f"at most {certificate.MOST_CERTIFICATES} certificates",
            f"{certificate.LARGEST_CHAIN:,} characters", f"at most {certificate.LARGEST_KEY:,}",
            f"{certificate.SMALLEST_RSA:,} to {certificate.LARGEST_RSA:,} bits", f"{NEAR / 86400:g} days",
        )
        self.said("POST", "/v1/webspace/self/ticket", f"{tickets.LIFETIME} seconds", f"have {tickets.MOST_PER_USER}")

    def said(self, method: str, path: str, *words: str) -> None:
        call = operation(method, path)
        for each in words:
            self.assertIn(each, " ".join(call["description"].split()), (method, path))


class CheckTests(SynchronousTestCase):
    """What holds answers against the document finds what is wrong with them."""

    def refused(self, *answer: Any) -> None:
        self.assertRaises(AssertionError, check_answer, *answer)

    def test_what_is_right(self) -> None:
        check_answer("GET", "/v1/webspace/self/ports", 200, {"content-type": "application/json"}, b'{"60022": 22}')
        check_answer("DELETE", "/v1/webspace/self", 204, {}, b"")
        check_answer("GET", "/none/of/ours", 418, {}, b"")

    def test_what_is_wrong(self) -> None:
        kind, path = {"content-type": "application/json"}, "/v1/webspace/self/config"
        good = b'{"startupDelay": 1, "httpPort": 80, "sniPassthrough": true, "protocol": "h2c"'
        check_answer("GET", path, 200, kind, good + b"}")
        self.refused("GET", path, 200, kind, good + b', "more": 1}')
        self.refused("GET", path, 200, kind, b"{}")
        self.refused("GET", path, 418, kind, good + b"}")
        self.refused("GET", path, 200, {"content-type": "text/plain"}, good + b"}")
        self.refused("GET", path, 404, {"content-type": PROBLEM}, b"{}")
        self.refused("DELETE", "/v1/webspace/self", 204, {}, b"gone")
