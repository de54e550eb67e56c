"""Every order at the control socket that changes something leaves one line, with the operator's process and user."""

from __future__ import annotations

import json
from typing import Any

from treq.testing import StubTreq

from tests.unit.assembled import AssembledCase
from tests.unit.audit.kept import Kept
from tests.unit.timing import watch
from webspaced.audit import trail
from webspaced.control import operator, socket
from webspaced.control.api import Control
from webspaced.control.socket import Peer
from webspaced.vocabulary.actions import ORDERS

WHO = {"kind": "operator", "user": "root", "uid": 0, "pid": 4711}


class OrderTests(AssembledCase):
    def begin(self) -> None:
        self.told = Kept()
        self.patch(trail, "writer_for", lambda _where: self.told)
        self.peer = Peer(4711, 0)
        self.patch(operator, "connected_peer", lambda _request: self.peer)
        self.start(audit_log="stdout")
        self.create()
        self.operator = StubTreq(self.daemon.control._site.resource)
        self.told.lines.clear()

    def order(self, method: str, path: str, body: Any = None) -> tuple[int, list[dict[str, Any]]]:
        """Give the status, and the lines of orders that are left by it."""
        data, before = None if body is None else json.dumps(body).encode(), len(self.told.lines)
        asking = watch(self.operator.request(method, f"http://control.test{path}", data=data))

        def answered() -> bool:
            self.operator.flush()
            return asking.done

        self.machine.run_until(answered, 60)
        told = [json.loads(line) for line in self.told.lines[before:]]
        return asking.value.code, [line for line in told if line["action"].startswith("order.")]

    def test_each_that_changes_something_has_an_action(self) -> None:
        changing = {
            str(rule.endpoint).rpartition(".")[2]
            for rule in Control.app.url_map.iter_rules() if set(rule.methods or ()) - {"GET", "HEAD", "OPTIONS"}
        }  # fmt: skip
        self.assertEqual(changing, {action.endpoint for action in ORDERS})

    def test_one_line_each(self) -> None:
        self.begin()
        for method, path, body, action in (
            ("POST", "/sync", None, "order.sync"),
            ("POST", "/reload", None, "order.reload"),
            ("PUT", "/webspaces/alice/desired", {"desired": "suspended", "reason": "spam"}, "order.want"),
            ("PUT", "/webspaces/id:1/desired", {"desired": "auto"}, "order.want"),
            ("POST", "/webspaces/alice/evict", None, "order.evict"),
        ):
            status, told = self.order(method, path, body)
            self.assertEqual((status, [each["action"] for each in told]), (200, [action]))
            self.assertEqual((told[0]["who"], told[0]["from"], told[0]["cause"]), (WHO, {"socket": socket.NAME}, "order"))
            webspace = 1 if path.startswith("/webspaces") else None
            self.assertEqual((told[0]["outcome"], told[0].get("webspace")), ("ok", webspace))
            self.assertEqual(told[0].get("params"), body)

    def test_what_is_refused(self) -> None:
        self.begin()
        status, (line,) = self.order("POST", "/webspaces/nobody/evict")
        self.assertEqual((status, line["outcome"], line["status"], line["target"]), (404, "refused", 404, {"who": "nobody"}))
        self.peer = Peer(4712, 65533)
        status, (line,) = self.order("POST", "/sync")
        self.assertEqual((status, line["outcome"], line["who"]["uid"]), (403, "refused", 65533))

    def test_an_import_is_told_of_once_it_writes(self) -> None:
        self.begin()
        export = watch(self.operator.request("GET", "http://control.test/documents"))
        self.machine.run_until(lambda: (self.operator.flush(), export.done)[1], 60)
        documents = json.loads(watch(self.operator.content(export.value)).value)
        self.assertEqual(self.order("PUT", "/documents", documents), (200, []))
        status, (line,) = self.order("PUT", "/documents?write=1", documents)
        self.assertEqual((status, line["action"]), (200, "order.restore"))

    def test_what_follows_is_the_operators_doing(self) -> None:
        self.begin()
        self.assertEqual(self.ask("POST", "self/state")[0], 204)
        self.order("POST", "/webspaces/alice/evict")
        stop = next(each for each in map(json.loads, self.told.lines) if each["action"] == "instance.stop")
        self.assertEqual((stop["cause"], stop["who"]), ("order", WHO))
