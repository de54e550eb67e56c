"""The operator's command line, against a daemon by ``--simulate``."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.real.simulated import SimulatedCase
from tests.stack import exchange, wait_until
from tests.visitors import PATIENCE


class OperatorTests(SimulatedCase):
    def start(self) -> Any:
        self.pages = self.directory / "pages"
        self.pages.mkdir(exist_ok=True)
        self.settings: Any = {"WEBSPACES_PAGES": self.pages, "WEBSPACES_WAITING": "page"}
        return super().start()

    def setUp(self) -> None:
        super().setUp()
        self.assertEqual(self.ask("POST", "", b'{"image": "fast"}').status, 201)
        (self.data_dir,) = {path.parent for path in self.directory.rglob("control.sock")}

    def run_it(self, *words: str, status: int = 0, where: Sequence[str] = ()) -> str:
        program = str(Path(sys.executable).with_name("webspaced"))
        command = [program, *words, *(where or ("--data-dir", str(self.data_dir)))]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
        self.assertEqual(done.returncode, status, done)
        return done.stdout or done.stderr

    def told(self, *words: str) -> Any:
        return json.loads(self.run_it(*words, "--json"))

    def visit(self) -> int:
        return exchange("127.0.0.1", self.http, "GET", "/", None, {"Host": "alice.example.test"}).status

    def test_how_it_stands(self) -> None:
        self.assertIn("ready, leads", self.run_it("status"))
        told = self.told("status")
        self.assertEqual((told["ready"], told["leads"], told["lxd"], told["webspaces"]), (True, True, True, {"asleep": 1}))
        self.assertEqual(self.told("sync")["webspaces"], {"asleep": 1})
        self.assertIn("alice.example.test", self.run_it("routes"))
        self.assertEqual(self.told("routes", "--diff"), {"differing": {}})

    def test_a_webspace_is_listed_suspended_resumed_and_evicted(self) -> None:
        self.assertEqual(self.visit(), 200)
        (listed,) = self.told("list", "--memory", "--depth", "awake")
        self.assertEqual((listed["id"], listed["user"]), (1, "alice"))
        self.assertGreater(listed["memory"], 0)
        self.run_it("suspend", "alice", "--reason", "x" * 501, status=1)
        self.run_it("suspend", "alice", "--reason", "abuse", "--public", "see the board")
        self.assertEqual(self.ask("GET", "").json["conditions"][0]["kind"], "suspended")
        self.assertEqual(self.visit(), 503)
        self.assertIn("suspended", self.run_it("list", "--troubled"))
        self.run_it("resume", "id:1")
        self.assertIn("not suspended", self.run_it("resume", "alice", status=1))
        self.assertEqual(self.visit(), 200)
        self.assertIn("is stopped", self.run_it("evict", "ws-u1"))
        self.assertIn("nothing to stop: it is stopped", self.run_it("evict", "alice"))
        self.assertEqual(self.visit(), 200)
        self.assertIn("no webspace of carol", self.run_it("evict", "carol", status=1))

    def test_what_cannot_be_is_refused_in_words(self) -> None:
        broken = self.directory / "broken.json"
        for document, why in (
            ({"format": 1, "webspaces": {"ws-u1": {"user._webspaced": "garbage"}}}, "not JSON"),
            ({"format": 1, "webspaces": {"ws-u1": {"security.privileged": "true"}}}, "must be texts of"),
            ({"format": 2}, "no export"),
        ):
            broken.write_text(json.dumps(document))
            self.assertIn(why, self.run_it("import", "--write", str(broken), status=1))
        self.assertIn("cannot be shown", self.run_it("suspend", "alice", "--reason", "\udcff", status=1))
        self.assertEqual(self.visit(), 200)

    def test_the_settings_are_read_again(self) -> None:
        self.assertIn("nothing has changed", self.run_it("reload"))
        (self.pages / "refused.html").write_text("$nobody_knows_this")
        self.assertIn("nobody_knows_this", self.run_it("reload", status=1))
        (self.pages / "refused.html").write_text("<p>of ours</p>")
        self.assertEqual(self.told("reload"), {"applied": [], "restart": []})
        self.run_it("suspend", "alice", "--reason", "abuse")
        self.assertIn("of ours", self.shown())
        (self.pages / "refused.html").write_text("<p>of theirs</p>")
        self.process.send_signal(signal.SIGHUP)
        wait_until("the page is the new one", lambda: "of theirs" in self.shown())

    def shown(self) -> str:
        browser = {"Host": "alice.example.test", "Accept": "text/html"}
        return exchange("127.0.0.1", self.http, "GET", "/", None, browser).body.decode()

    def test_from_another_machine(self) -> None:
        token = self.directory / "token"
        token.write_text("token-root\n")
        there = ("--url", f"http://127.0.0.1:{self.api}", "--token-file", str(token))
        self.assertIn("ready, leads", self.run_it("status", where=there))
        self.run_it("suspend", "alice", "--reason", "abuse", where=there)
        self.assertIn("suspended", self.run_it("list", "--troubled", where=there))
        kept = self.directory / "kept.json"
        self.run_it("export", str(kept), where=there)
        self.run_it("resume", "alice", where=there)
        self.assertIn('"by":"admin root"', self.run_it("import", str(kept), where=there))
        self.run_it("import", str(kept), "--write", where=there)
        wait_until("it is suspended again", lambda: "suspended" in self.run_it("list", "--troubled", where=there))
        self.assertIn("webspaced reload", self.run_it("reload", status=1, where=there))
        token.write_text("token-alice\n")
        self.assertIn("only an admin", self.run_it("status", status=1, where=there))

    def test_who_hangs_is_told_from_who_is_away(self) -> None:
        self.process.send_signal(signal.SIGSTOP)
        self.addCleanup(self.process.send_signal, signal.SIGCONT)
        self.assertIn("does not answer", self.run_it("status", status=1))

    def test_documents_are_kept_compared_and_put_back(self) -> None:
        kept = self.directory / "kept.json"
        self.run_it("export", str(kept))
        self.assertEqual(self.ask("PATCH", "/config", b'{"httpPort": 81}').status, 200)
        self.assertIn("user._webspaced", self.run_it("import", str(kept)))
        self.assertEqual(self.ask("GET", "/config").json["httpPort"], 81)
        self.assertEqual(list(self.told("import", "--write", str(kept))["changes"]), ["ws-u1"])
        self.assertEqual(self.ask("GET", "/config").json["httpPort"], 8080)
        kept.write_text("{")
        self.assertIn("no JSON", self.run_it("import", str(kept), status=1))

    def test_a_check_names_what_is_wrong_and_its_remedy(self) -> None:
        config = self.directory / "check.yaml"
        settings = {
            "lxd": {"url": f"unix://{self.directory}/nobody.sock"},
            "webspaces": {"domain": "example.test"},
            "iam": {"users_file": str(self.directory / "users.yaml")},
            "data_dir": str(self.data_dir),
        }
        config.write_text(json.dumps(settings))
        program = str(Path(sys.executable).with_name("webspaced"))
        command = [program, "check", "--config", str(config), "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
        levels = {each["what"]: (each["level"], each["remedy"]) for each in json.loads(done.stdout)}
        self.assertEqual((done.returncode, levels["lxd"][0]), (1, "FAULT"))
        self.assertIn("lxd.url", levels["lxd"][1])
        self.assertEqual((levels["iam"][0], levels["daemon"][0]), ("fine", "fine"))

    def test_a_killed_daemon_is_told_and_its_successor_answers(self) -> None:
        self.process.kill()
        self.process.wait()
        self.assertIn("no webspaced answers", self.run_it("status", status=1))
        self.process = self.start()
        wait_until("it is ready", self.is_ready)
        self.assertIn("ready, leads", self.run_it("status"))
        self.end()
        self.assertFalse((self.data_dir / "control.sock").exists())
