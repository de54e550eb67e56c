"""The daemon beside an IAM service: tokens, and what goes on while IAM is away."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import Any

from tests.stack import Stack, StackCase, free_port, wait_until
from tests.visitors import PATIENCE
from webspaced.testing.iamd import read_file

ALICE, BOB, ROOT, OWN = 1, 2, 99, 1000
USERS = [
    {"id": ALICE, "username": "alice"},
    {"id": BOB, "username": "bob"},
    {"id": ROOT, "username": "root", "is_admin": True},
    {"id": OWN, "username": "webspaced", "is_admin": True},
]


class IamStack(Stack):
    """A stack whose members are in an iamd of its own, a process on loopback that can be stopped."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.iam_port = free_port()
        self._iamd: subprocess.Popen[bytes] | None = None
        self._file = self.directory / "iamd.json"
        self.write_users(USERS)
        self.tokens: list[str] = []

    def write_users(self, users: list[dict[str, Any]]) -> None:
        """Have these accounts from the next start of IAM on."""
        self._file.write_text(json.dumps({"key": "the key of this test", "users": users}))

    def token(self, uid: int, **more: Any) -> str:
        """Mint a token."""
        self.tokens.append(read_file(self._file).token(uid, **more))
        return self.tokens[-1]

    def _settings(self) -> dict[str, Any]:
        token = self.directory / "iam-token"
        token.write_text(self.token(OWN) + "\n")
        iam = {"url": f"http://127.0.0.1:{self.iam_port}/v1", "token_file": str(token)}
        return {**super()._settings(), "iam": iam}

    def start_iam(self) -> None:
        """Start IAM and wait until it listens."""
        command = [sys.executable, "-m", "webspaced.testing.iamd", str(self._file), str(self.iam_port)]
        self._iamd = subprocess.Popen(command, cwd=self.directory, stdout=subprocess.PIPE, env=os.environ)
        assert self._iamd.stdout is not None
        assert self._iamd.stdout.readline().startswith(b"http://127.0.0.1:")

    def stop_iam(self) -> None:
        """Kill IAM."""
        if self._iamd is not None:
            self._iamd.kill()
            self._iamd.communicate(timeout=PATIENCE)
            self._iamd = None


class IamCase(StackCase):
    def make_stack(self) -> IamStack:
        return IamStack(self.lxd())

    def prepare(self) -> None:
        self.addCleanup(self.stack.stop_iam)
        self.addCleanup(self._no_token_was_logged)
        self.stack.start_iam()

    def _no_token_was_logged(self) -> None:
        log = self.stack.log()
        self.assertEqual([token for token in self.stack.tokens if token in log], [])

    def create(self, uid: int) -> None:
        answer = self.stack.ask("POST", "/v1/webspace/self", {"image": "fast"}, token=self.stack.token(uid))
        self.assertEqual(answer.status, 201, answer)

    def status(self, who: str, token: str | None) -> int:
        return self.stack.ask("GET", f"/v1/webspace/{who}", token=token).status


class TokenTests(IamCase):
    def test_who_may_do_what(self) -> None:
        self.create(ALICE)
        alice, bob, root = (self.stack.token(uid) for uid in (ALICE, BOB, ROOT))
        self.assertEqual((self.status("self", alice), self.status("alice", alice)), (200, 200))
        self.assertEqual((self.status("self", bob), self.status("alice", bob), self.status("id:1", bob)), (404, 403, 401))
        self.assertEqual([self.status(who, root) for who in ("alice", "id:1", "nobody", "id:7")], [200, 200, 404, 404])
        self.assertEqual(self.status("self", self.stack.token(ALICE, lifetime=-1)), 403)
        self.assertEqual(self.status("self", self.stack.token(BOB)[:-4] + "AAAA"), 403)
        self.assertEqual([self.status("self", token) for token in (None, "nonsense", "a.b.c")], [401, 401, 401])

    def test_a_renamed_member_is_followed(self) -> None:
        self.create(ALICE)
        wait_until("the route works", lambda: self.stack.visit("alice").status == 200)
        self.stack.stop_iam()
        self.stack.write_users([{"id": ALICE, "username": "alicia"}, *USERS[1:]])
        self.stack.start_iam()

        def followed() -> bool:
            self.stack.ask("PATCH", "/v1/webspace/self/state", token=self.stack.token(ALICE))
            return self.stack.visit("alicia").status == 200

        wait_until("the route has the new name", followed)
        self.assertEqual(self.stack.visit("alice").status, 404)
        self.assertEqual(self.stack.key("user._webspaced_username"), "alicia")


class AbsenceTests(IamCase):
    def setUp(self) -> None:
        super().setUp()
        self.create(ALICE)
        self.create(BOB)
        self.assertEqual(self.stack.ask("POST", "/v1/webspace/self/state", token=self.stack.token(ALICE)).status, 204)
        wait_until("Alice is served directly", self.stack.is_direct)
        self.stack.stop_iam()

    def _served(self) -> None:
        self.assertEqual(self.stack.visit("alice").body, b"ws-u1\n")
        self.assertEqual(self.stack.visit("bob").body, b"ws-u2\n")
        self.assertEqual((self.stack.status(1), self.stack.status(2)), ("Running", "Running"))

    def test_webspaces_are_served_and_woken_and_the_api_asks_to_come_again(self) -> None:
        # The API remembers nothing of these tokens.
        for token in (self.stack.token(ALICE, lifetime=100), self.stack.token(ROOT)):
            answer = self.stack.ask("GET", "/v1/webspace/self", token=token)
            self.assertEqual(answer.status, 503)
            self.assertGreaterEqual(int(answer.headers["Retry-After"]), 1)
        self.assertEqual((self.stack.ask("GET", "/health").status, self.stack.ask("GET", "/ready").status), (204, 204))
        self._served()
        self.stack.start_iam()
        self.assertEqual(self.status("self", self.stack.token(ALICE)), 200)

    def test_a_restart_serves_everything(self) -> None:
        before = self.stack.routes()
        self.stack.kill()
        self.stack.start()
        self.assertEqual(self.stack.routes(), before)
        self._served()
        names = [self.stack.key("user._webspaced_username", uid) for uid in (1, 2)]
        self.assertEqual(names, ["alice", "bob"])

    def test_one_that_takes_connections_and_says_nothing_holds_no_start_up(self) -> None:
        with socket.create_server(("127.0.0.1", self.stack.iam_port)):
            self.stack.kill()
            self.stack.start()
            self._served()
            answer = self.stack.ask("GET", "/v1/webspace/self", token=self.stack.token(ALICE))
            self.assertEqual(answer.status, 503)


