"""The moment after a container's end in which LXD is not done with it: a start is refused as busy, Incus still says that
it runs, and its state cannot be read. Whatever is asked then is done, or refused for a reason, and never LXD's fault."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.stack import INCUS_VARIABLE, Answer, StackCase, wait_until

REPETITIONS = 2


class StopWindowTests(StackCase):
    def setUp(self) -> None:
        super().setUp()
        self.stack.create()
        self.port = self.stack.forward(7)
        self.bring_up()

    def bring_up(self) -> None:
        # Whoever gets in before the last end is over is cut off with it.
        wait_until("the echo answers", lambda: self.stack.echoes(self.port))
        wait_until("the route is direct", self.stack.is_direct)

    def end(self) -> None:
        """End all of its processes, as a crash does, and come back once they are dead."""
        pid = self.stack.rest.get("/1.0/instances/ws-u1/state")["pid"]
        assert pid > 1, "0 would be ourselves"
        os.kill(pid, signal.SIGKILL)
        wait_until("it is dead", lambda: not Path(f"/proc/{pid}/root/etc/rc").exists())

    def crashed_and(self, method: str, path: str) -> Answer:
        self.bring_up()
        self.end()
        body = {"startupDelay": 5} if path == "/config" else None
        return self.stack.ask(method, f"/v1/webspace/self{path}", body)

    def test_visitors(self) -> None:
        for _ in range(REPETITIONS):
            self.end()
            self.bring_up()
            self.end()
            # Until Traefik has taken it up, its visitors meet a dead address.
            wait_until("a visit works", lambda: self.stack.visit().body == b"ws-u1\n")

    def test_while_a_stop_goes_on(self) -> None:
        for _ in range(REPETITIONS):
            self.bring_up()
            with ThreadPoolExecutor(1) as pool:
                stop = pool.submit(self.stack.put_state, "stop", force=True)
                # Whoever got in before the end was cut off with it; whoever comes after it is served.
                wait_until("the echo answers", lambda: self.stack.echoes(self.port))
                stop.result()
            wait_until("the echo answers", lambda: self.stack.echoes(self.port))

    def test_what_its_member_asks(self) -> None:
        asked = {
            ("GET", "/state"): {200, 503},
            ("PATCH", "/state"): {204},
            ("PATCH", "/config"): {200},
            ("PUT", "/state"): {204, 404},
            ("DELETE", "/state"): {204, 404},
            # Incus says that it runs.
            ("POST", "/state"): {204, 409},
        }
        for (method, path), statuses in asked.items():
            answer = self.crashed_and(method, path)
            self.assertIn(answer.status, statuses, (method, path, answer))

    def test_a_deletion(self) -> None:
        for _ in range(REPETITIONS):
            answer = self.crashed_and("DELETE", "")
            self.assertEqual(answer.status, 204, answer)
            self.assertEqual(self.stack.rest.get("/1.0/instances"), [])
            self.stack.create()
            self.port = self.stack.forward(7)


class IncusTests(StopWindowTests):
    variable = INCUS_VARIABLE
