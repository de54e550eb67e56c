"""Terminals in real containers, by a client that shares no line with webspaced (the library ``websockets``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.stack import INCUS_VARIABLE, StackCase, wait_until
from tests.visitors import PATIENCE

FLOOD = 60_000_000
"""Bytes that a container shows to somebody who does not look."""


class TerminalTests(StackCase):
    def open(self, path: str = "exec", *, token: str = "token-alice", **options: Any) -> ClientConnection:
        url = f"ws://127.0.0.1:{self.stack.api_port}/v1/webspace/self/{path}"
        headers = {"Authorization": f"Bearer {token}"}
        # Who does not look at what came does not see the answers to its pings either.
        socket = connect(
            url, additional_headers=headers, compression=None, open_timeout=PATIENCE, ping_interval=None, **options
        )
        self.addCleanup(socket.close)
        return socket

    def shell(self, *command: str, max_queue: int = 16, **more: Any) -> ClientConnection:
        socket = self.open(max_size=None, max_queue=max_queue)
        socket.send(json.dumps({"command": list(command), "width": 80, "height": 24, **more}))
        return socket

    def shown(self, socket: ClientConnection, until: bytes = b"") -> bytes:
        """Read until something was shown, or else to the end."""
        shown = bytearray()
        try:
            while not until or until not in shown:
                piece = socket.recv(PATIENCE)
                assert isinstance(piece, bytes)
                shown += piece
        except ConnectionClosed:
            assert not until, shown
        return bytes(shown)

    def end(self, socket: ClientConnection) -> tuple[int | None, str | None]:
        self.shown(socket)
        return socket.close_code, socket.close_reason

    def test_it_wakes_shows_and_tells_the_code(self) -> None:
        self.stack.create()
        # LXD 5.0 loses what is said right before the end now and then.
        socket = self.shell("sh", "-c", "stty -echo; echo hello; read line; exit 3")
        self.assertEqual(self.shown(socket, b"\n"), b"hello\r\n")
        socket.send(b"\r")
        self.shown(socket)
        self.assertEqual((socket.close_code, socket.close_reason), (1000, "3"))
        self.assertEqual(self.stack.status(), "Running")

    def test_a_login(self) -> None:
        self.stack.create()
        found = self.stack.ask("POST", "/v1/webspace/self/exec", {"command": "grep root: /etc/passwd"})
        self.assertEqual((found.status, found.json["exitCode"]), (200, 0))
        fields = found.json["stdout"].strip().split(":")
        self.assertEqual(len(fields), 7)
        socket = self.shell(fields[6], "-l", environment={"PS1": "ready "})
        self.shown(socket, b"ready ")
        socket.send(b"stty size; echo $TERM\r")
        self.assertIn(b"24 80\r\nxterm-256color\r\n", self.shown(socket, b"color\r\n"))
        socket.send(json.dumps({"resize": {"width": 132, "height": 43}}))
        # It comes on a way of its own.
        socket.send(b"until stty size | grep 132; do sleep 0.1; done\r")
        self.shown(socket, b"43 132\r\n")
        socket.send(b"exit 7\r")
        self.assertEqual(self.end(socket), (1000, "7"))

    def test_interrupts_and_signals(self) -> None:
        self.stack.create()
        socket = self.shell("sh", "-c", "echo ready; sleep 60")
        self.shown(socket, b"ready")
        socket.send(b"\x03")
        self.assertEqual(self.end(socket), (1000, "130"))
        socket = self.shell("sh", "-c", "trap 'exit 9' TERM; echo ready; while :; do sleep 0.1; done")
        self.shown(socket, b"ready")
        socket.send(json.dumps({"signal": 15}))
        self.assertEqual(self.end(socket), (1000, "9"))

    def test_who_hangs_up_leaves_nothing_behind(self) -> None:
        self.stack.create()
        socket = self.shell("sh", "-c", "echo ready; exec sleep 4242")
        self.shown(socket, b"ready")
        socket.close()
        wait_until("the command is gone", lambda: "sleep 4242" not in self.stack.run_inside("ps"))

    def test_a_fast_container_waits_for_a_slow_client(self) -> None:
        self.stack.create()
        memory = self.resident()
        socket = self.shell("sh", "-c", f"head -c {FLOOD} /dev/zero; echo done >/root/done", max_queue=1)
        wait_until("it begins", lambda: socket.recv(PATIENCE))
        # All the others are served meanwhile, and the container is held up.
        for _ in range(20):
            self.assertEqual(self.stack.ask("POST", "/v1/webspace/self/exec", {"command": "true"}).json["exitCode"], 0)
        self.assertNotIn("done", self.stack.run_inside("ls", "/root"))
        self.assertLess(self.resident() - memory, 20_000_000)
        self.shown(socket)
        self.assertEqual((socket.close_code, socket.close_reason), (1000, "0"))
        self.assertLess(self.resident() - memory, 20_000_000)

    def resident(self) -> int:
        """Give the daemon's memory in bytes."""
        pages = Path(f"/proc/{self.stack.pid}/statm").read_text().split()[1]
        return int(pages) * 4096

    def test_refusals_are_answers(self) -> None:
        with self.assertRaises(InvalidStatus) as caught:
            self.open()
        response = caught.exception.response
        self.assertEqual((response.status_code, response.headers["Content-Type"]), (404, "application/problem+json"))
        self.assertIn("webspace", json.loads(bytes(response.body or b""))["message"])

    def test_mistakes_end_with_a_reason(self) -> None:
        self.stack.create()
        socket = self.open()
        socket.send("{}")
        self.assertEqual(self.end(socket), (1011, "command must be a list of texts, and not empty"))

    def test_the_console_and_its_log(self) -> None:
        self.stack.create()
        socket = self.open("console")
        socket.send(json.dumps({"width": 80, "height": 24}))
        wait_until("it runs", lambda: self.stack.status() == "Running")
        # Nobody reads a tiny image's console: what is typed is shown by the terminal itself. LXD loses what is typed before
        # its console is quite there.
        wait_until("what is typed is shown", lambda: self.typed(socket, b"hello"))
        # What was typed before is over with it, too.
        socket.send(b"end")
        self.shown(socket, b"end")
        answer = self.stack.ask("GET", "/v1/webspace/self/log")
        self.assertEqual((answer.status, answer.headers["Content-Type"]), (200, "text/plain; charset=utf-8"))
        self.assertEqual(self.stack.ask("DELETE", "/v1/webspace/self/log").status, 204)
        self.assertEqual(self.stack.ask("GET", "/v1/webspace/self/log").body, b"")
        socket.close()

    def typed(self, socket: ClientConnection, text: bytes) -> bool:
        """Type something, and tell whether it was shown soon."""
        socket.send(text)
        try:
            return text in socket.recv(1)
        except TimeoutError:
            return False

    def test_plain_commands(self) -> None:
        self.stack.create()
        answer = self.stack.ask("POST", "/v1/webspace/self/exec", {"command": "echo out; echo err >&2; exit 5"})
        self.assertEqual((answer.status, answer.json), (200, {"stdout": "out\n", "stderr": "err\n", "exitCode": 5}))
        answer = self.stack.ask("POST", "/v1/webspace/self/exec", {"command": "yes"})
        self.assertEqual((answer.status, "1048576" in answer.json["message"]), (502, True))
        wait_until("it is killed", lambda: " yes\n" not in self.stack.run_inside("ps"))

    def test_a_command_that_leaves_something_in_the_background_ends(self) -> None:
        self.stack.create()
        answer = self.stack.ask("POST", "/v1/webspace/self/exec", {"command": "sleep 4243 & echo started"})
        self.assertEqual((answer.status, answer.json["stdout"]), (200, "started\n"))
        # LXD's own client loses what a command says that ends at once, now and then.
        wait_until("it goes on", lambda: "sleep 4243" in self.stack.run_inside("ps"))


class IncusTerminalTests(TerminalTests):
    variable = INCUS_VARIABLE
