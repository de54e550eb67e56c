"""Falling asleep and waking: real containers, a real Traefik, and everything that may happen in between."""

from __future__ import annotations

import socket
import threading
import time
from datetime import UTC, datetime
from typing import Any, ClassVar

from tests import dozing
from tests.stack import INCUS_VARIABLE, StackCase, wait_until
from tests.visitors import PATIENCE
from webspaced.core.sleep import DOZING_KEY

FALLS_ASLEEP = {
    "doze_after": "2s", "look": "500ms", "least": "1s",
    # What Traefik, the bridge and the echo of a test do is little; a machine under load makes it more at a time.
    "floors": {"sent": 2000, "received": 4000, "cpu": 20},
}  # fmt: skip


class DozeTests(StackCase):
    webspaces: ClassVar[Any] = {"sleep": FALLS_ASLEEP}

    def setUp(self) -> None:
        super().setUp()
        self.stack.create()

    def dozes(self, uid: int = 1) -> None:
        wait_until("it dozes", lambda: self.stack.status(uid) == "Frozen")

    def awake(self) -> None:
        self.assertEqual(self.stack.visit().body, b"ws-u1\n")

    def state(self) -> Any:
        return self.stack.ask("GET", "/v1/webspace/self/state").json

    def talk(self, host: str, port: int) -> socket.socket:
        """Connect to an echo service, and have it echo once."""
        connection = socket.create_connection((host, port), PATIENCE)
        self.addCleanup(connection.close)
        self.say(connection, b"hello")
        return connection

    def say(self, connection: socket.socket, word: bytes) -> None:
        connection.sendall(word)
        heard = b""
        while len(heard) < len(word):
            piece = connection.recv(100)
            self.assertTrue(piece, "it was cut off")
            heard += piece
        self.assertEqual(heard, word)

    def test_an_idle_one_dozes_and_a_visitor_wakes_it_again_and_again(self) -> None:
        self.awake()
        for _ in range(3):
            self.dozes()
            wait_until("its visitors come to us", self.stack.leads_to_itself)
            self.assertTrue(self.stack.key(DOZING_KEY))
            self.assertEqual((self.state()["depth"], self.state()["running"]), ("dozing", True))
            self.awake()
            self.assertEqual(self.stack.status(), "Running")
            wait_until("its mark is gone", lambda: not self.stack.key(DOZING_KEY))
            wait_until("its visitors go there again", self.stack.is_direct)
        self.assertEqual(self.state()["depth"], "awake")

    def test_every_way_in_wakes_it(self) -> None:
        self.awake()
        port = self.stack.forward(7)
        for wake in (
            lambda: self.assertTrue(self.stack.echoes(port)),
            lambda: self.assertEqual(self.stack.ask("POST", "/v1/webspace/self/state").status, 204),
            lambda: self.assertEqual(
                self.stack.ask("POST", "/v1/webspace/self/exec", {"command": "hostname"}).json["stdout"], "ws-u1\n"
            ),
            lambda: self.assertEqual(self.stack.ask("POST", "/v1/webspace/self/awake", {"seconds": 1}).status, 200),
            lambda: self.assertEqual(self.stack.ask("PUT", "/v1/webspace/self/state").status, 204),
        ):
            self.dozes()
            wake()
            self.assertEqual(self.stack.status(), "Running")

    def test_a_silent_connection_outlasts_it_and_its_next_byte_wakes(self) -> None:
        self.awake()
        (address,) = [
            each["address"]
            for each in self.stack.rest.get("/1.0/instances/ws-u1/state")["network"]["eth0"]["addresses"]
            if each["family"] == "inet"
        ]
        relayed = self.talk("127.0.0.1", self.stack.forward(7))
        # As Traefik connects for a WebSocket: nothing of it passes webspaced.
        direct = self.talk(address, 7)
        for connection in (relayed, direct):
            self.dozes()
            self.say(connection, b"are you there?")
            self.assertEqual(self.stack.status(), "Running")
        # Who leaves wakes nobody.
        self.dozes()
        relayed.close()
        direct.close()
        time.sleep(3)
        self.assertEqual(self.stack.status(), "Frozen")

    def test_a_killed_webspaced_knows_its_own_freeze_and_leaves_others_alone(self) -> None:
        self.stack.create("bob")
        self.awake()
        self.assertEqual(self.stack.visit("bob").status, 200)
        self.dozes()
        self.dozes(2)
        self.stack.kill()
        # Somebody stops and starts bob's, and freezes it.
        self.stack.put_state("stop", 2, force=True)
        wait_until("it starts", lambda: self._started(2))
        self.stack.put_state("freeze", 2)
        self.stack.start()
        self.awake()
        self.assertEqual(self.stack.visit("bob").status, 503)
        self.assertEqual(self.stack.status(2), "Frozen")

    def _started(self, uid: int) -> bool:
        try:
            self.stack.put_state("start", uid)
        except Exception:  # noqa: BLE001  (LXD is not done with the stop)
            return False
        return True

    def test_an_admins_shell_keeps_it_awake_until_it_ends(self) -> None:
        self.stack.create("bob")
        self.awake()
        self.dozes()
        self.awake()
        shell = threading.Thread(target=self.stack.run_inside, args=("sh", "-c", "sleep 500 & echo $! >/shell; wait"))
        shell.start()
        self.awake()
        self.assertEqual(self.stack.visit("bob").status, 200)
        # Who was used later falls asleep, and this one has no other use than the shell.
        self.dozes(2)
        self.assertEqual(self.stack.status(), "Running")
        self.stack.run_inside("sh", "-c", "kill $(cat /shell)")
        shell.join()
        self.dozes()

    def test_it_is_stopped_in_the_end_and_wakes_from_that_as_well(self) -> None:
        self.stack.stop()
        self.stack.set_webspaces(sleep={**FALLS_ASLEEP, "stop_after": "6s"})
        self.stack.write_configuration()
        self.stack.start()
        self.awake()
        wait_until("it is stopped", lambda: self.stack.status() == "Stopped")
        self.assertIn("is dozing now", self.stack.log())
        self.assertEqual(self.state()["depth"], "asleep")
        self.awake()

    def test_its_member_stops_and_deletes_it_while_it_dozes(self) -> None:
        self.awake()
        self.dozes()
        self.assertEqual(self.stack.ask("DELETE", "/v1/webspace/self/state").status, 204)
        self.assertEqual(self.stack.status(), "Stopped")
        self.awake()
        self.dozes()
        self.assertEqual(self.stack.ask("DELETE", "/v1/webspace/self").status, 204)


class CrowdTests(StackCase):
    """Visitors at random moments around those of falling asleep (the long version: ``make soak``)."""

    webspaces: ClassVar[Any] = {"sleep": dozing.FALLS_ASLEEP}
    count: ClassVar[int] = 20

    def test_nobody_is_lost(self) -> None:
        crowd = dozing.Crowd(self.stack, list(self.stack.members.values()))
        self.addCleanup(crowd.close)
        crowd.prepare()
        self.assertEqual(crowd.come(self.count), [])
        self.assertIn("is dozing now", self.stack.log())


class ScheduleTests(StackCase):
    webspaces: ClassVar[Any] = {"sleep": {**FALLS_ASLEEP, "doze_after": "0s", "stop_after": "3s", "time_zone": "UTC"}}

    def test_a_stopped_one_is_awake_in_time_and_sleeps_again(self) -> None:
        self.stack.create()
        # Far enough away to be set, and near enough to be waited for.
        then = datetime.fromtimestamp(time.time() + 75, UTC).replace(second=0)
        change = {"wakeAt": [then.strftime("%H:%M")]}
        self.assertEqual(self.stack.ask("PATCH", "/v1/webspace/self/config", change).status, 200)
        wakes_at = self.stack.ask("GET", "/v1/webspace/self/state").json["wakesAt"]
        self.assertEqual(wakes_at, then.strftime("%Y-%m-%dT%H:%M:00Z"))
        wait_until("it is woken", lambda: self.stack.status() == "Running")
        wait_until("it sleeps again", lambda: self.stack.status() == "Stopped")
        self.assertGreater(time.time(), then.timestamp())


class FullHouseTests(StackCase):
    webspaces: ClassVar[Any] = {"max_running": 1, "sleep": {**FALLS_ASLEEP, "doze_after": "0s"}}

    def test_who_was_idle_longest_makes_room(self) -> None:
        for name in ("alice", "bob"):
            self.stack.create(name)
        for name in ("alice", "bob", "alice"):
            self.assertEqual(self.stack.visit(name).status, 200)
        self.assertEqual((self.stack.status(1), self.stack.status(2)), ("Running", "Stopped"))


class DozeOnIncusTests(DozeTests):
    variable = INCUS_VARIABLE


class CrowdOnIncusTests(CrowdTests):
    variable = INCUS_VARIABLE


class FullHouseOnIncusTests(FullHouseTests):
    variable = INCUS_VARIABLE
