"""Traefik as a child: what it is told, and that it is always there."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from unittest import mock

from attrs import evolve
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import Time, watch
from webspaced.core.address import Endpoint
from webspaced.errors import Unavailable
from webspaced.settings import Address
from webspaced.traefik import embedded
from webspaced.traefik.embedded import EmbeddedTraefik, Embedding, _endpoint, static_configuration
from webspaced.traefik.render import EntryPoints
from webspaced.traefik.sockets import Sockets


class Child:
    def __init__(self, protocol: Any, arguments: list[str]) -> None:
        self.protocol, self.arguments, self.signals, self.pid = protocol, arguments, [], 77
        self.ended = False

    def signalProcess(self, name: str) -> None:
        if self.ended:
            raise ProcessExitedAlready
        self.signals.append(name)

    def end(self, status: int = 0) -> None:
        self.ended = True
        reason = ProcessTerminated(status) if status else ProcessDone(0)
        self.protocol.processEnded(Failure(reason))


class Machine(Time):
    def __init__(self) -> None:
        super().__init__()
        self.children: list[Child] = []

    def spawnProcess(
        self, protocol: Any, program: str, arguments: list[str], env: Any, childFDs: Mapping[int, Any] | None = None
    ) -> Child:
        self.handed_on = (childFDs, {name: value for name, value in env.items() if name.startswith("LISTEN_")})
        assert program == arguments[0] == sys.executable
        assert "PATH" in env
        assert not [name for name in env if name.startswith("WSD_")]
        self.children.append(Child(protocol, arguments))
        return self.children[-1]


class EmbeddedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.machine = Machine()
        self.directory = Path(self.mktemp())
        self.embedding = Embedding(
            directory=self.directory,
            routes=self.directory / "dynamic" / "webspaced.yml",
            entry_points=EntryPoints(http="web", https="websecure"),
            http=Address(host="127.0.0.1", port=8080),
            https=Address(host="127.0.0.1", port=8443),
        )
        self.traefik = EmbeddedTraefik(self.machine, "/usr/bin/traefik", self.embedding)

    def started(self) -> Child:
        self.traefik.startService()
        return self.machine.children[-1]

    def test_the_static_configuration(self) -> None:
        document = static_configuration(self.embedding)
        self.assertEqual({name: each["address"] for name, each in document["entryPoints"].items()}, {
            "web": "127.0.0.1:8080", "websecure": "127.0.0.1:8443",
        })  # fmt: skip
        self.assertEqual(document["providers"]["file"], {"directory": str(self.directory / "dynamic"), "watch": True})
        self.assertEqual(document["global"], {"checkNewVersion": False, "sendAnonymousUsage": False})
        for each in document["entryPoints"].values():
            self.assertEqual(each["transport"]["respondingTimeouts"]["readTimeout"], "0s")
            # Challenges for webspaces that have their TLS passed through are theirs.
            self.assertIs(each["allowACMEByPass"], True)

    def test_routes_that_it_fetches(self) -> None:
        for host, asked in (("127.0.0.1", "127.0.0.1"), ("", "127.0.0.1"), ("::1", "[::1]")):
            embedding = evolve(self.embedding, routes=Address(host=host, port=8001))
            providers = static_configuration(embedding)["providers"]
            self.assertEqual(providers["http"], {"endpoint": f"http://{asked}:8001/routes", "pollInterval": "100ms"})
            self.assertEqual(providers["file"], {"filename": str(self.directory / "requests.yml"), "watch": False})
        self.traefik = EmbeddedTraefik(self.machine, "/usr/bin/traefik", embedding)
        self.started()
        self.assertFalse((self.directory / "dynamic").exists())

    def test_is_started_with_its_configuration_bound_to_us(self) -> None:
        child = self.started()
        path = self.directory / "traefik.yml"
        self.assertEqual(child.arguments[1:], [
            "-m", "webspaced.lib.bound_to_parent", "/usr/bin/traefik", f"--configFile={path}",
        ])  # fmt: skip
        self.assertEqual(json.loads(path.read_text()), static_configuration(self.embedding))
        # Traefik does not begin to watch a directory that appears later.
        self.assertTrue((self.directory / "dynamic").is_dir())
        self.assertEqual(self.traefik.pid, 77)

    def test_its_sockets_are_webspaceds_and_tell_on_whose_behalf_somebody_comes(self) -> None:
        sockets = Sockets.on_loopback()
        self.addCleanup(sockets.close)
        http, https = sockets.addresses
        self.traefik = EmbeddedTraefik(
            self.machine, "/usr/bin/traefik", evolve(self.embedding, http=http, https=https, sockets=sockets)
        )
        self.started()
        descriptors, environment = self.machine.handed_on
        self.assertEqual(environment, {"LISTEN_FDS": "2", "LISTEN_FDNAMES": "web:websecure"})
        handed = {0: "w", 1: "r", 2: "r", 3: sockets.http.fileno(), 4: sockets.https.fileno()}
        self.assertEqual(descriptors, handed)
        document = json.loads((self.directory / "traefik.yml").read_text())["entryPoints"]
        self.assertEqual({name: each["address"] for name, each in document.items()}, {
            "web": str(http), "websecure": str(https),
        })  # fmt: skip
        for each in document.values():
            self.assertEqual(each["proxyProtocol"], {"trustedIPs": ["127.0.0.1/32"]})

    def test_ports_that_others_may_want_are_left_to_them(self) -> None:
        asked: list[int] = []

        def is_taken(port: int) -> bool:
            asked.append(port)
            return len(asked) < 4

        sockets = Sockets.on_loopback(is_taken)
        self.addCleanup(sockets.close)
        self.assertEqual([each.port for each in sockets.addresses], asked[3:])
        self.assertEqual(len(set(asked)), 5)
        self.assertRaises(Unavailable, Sockets.on_loopback, lambda _: True)

    def test_one_that_is_to_end_serves_nobody_any_more(self) -> None:
        for name in ("restart", "stopService"):
            self.traefik = EmbeddedTraefik(self.machine, "/usr/bin/traefik", self.embedding)
            end = getattr(self.traefik, name)
            child = self.started()
            self.traefik._serving_child = self.traefik._child
            self.assertTrue(self.traefik.is_serving)
            ending = watch(end()) if name == "stopService" else end()
            self.assertFalse(self.traefik.is_serving)
            child.end()
            del ending

    def test_is_started_again_when_it_ends_with_growing_pauses(self) -> None:
        self.started()
        moments = []
        for _ in range(9):
            self.machine.children[-1].end(1)
            self.assertIsNone(self.traefik.pid)
            before, count = self.machine.seconds(), len(self.machine.children)
            self.machine.run_until(lambda count=count: len(self.machine.children) > count)
            moments.append(round(self.machine.seconds() - before, 3))
        self.assertEqual(moments, [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0])

    def test_after_a_good_while_the_pause_is_short_again(self) -> None:
        self.started()
        for _ in range(4):
            self.machine.children[-1].end(1)
            self.machine.run_for(2)
        self.machine.run_for(100)
        count = len(self.machine.children)
        self.machine.children[-1].end()
        self.machine.run_for(0.11)
        self.assertEqual(len(self.machine.children), count + 1)

    def test_stopping_asks_first_and_waits(self) -> None:
        child = self.started()
        stopping = watch(self.traefik.stopService())
        self.assertEqual(child.signals, ["TERM"])
        self.assertFalse(stopping.done)
        child.end()
        self.assertTrue(stopping.done)
        self.assertEqual(self.machine.getDelayedCalls(), [])
        self.machine.run_for(100)
        self.assertEqual((len(self.machine.children), child.signals), (1, ["TERM"]))

    def test_one_that_does_not_listen_is_killed(self) -> None:
        child = self.started()
        stopping = watch(self.traefik.stopService())
        self.machine.run_for(11)
        self.assertEqual(child.signals, ["TERM", "KILL"])
        child.end(9)
        self.assertIsNone(stopping.value)

    def test_stopping_between_two_children_starts_no_other(self) -> None:
        self.started().end(1)
        self.assertTrue(watch(self.traefik.stopService()).done)
        self.machine.run_for(100)
        self.assertEqual(len(self.machine.children), 1)

    def test_started_again_it_is_asked_to_end_and_killed_if_it_does_not(self) -> None:
        child = self.started()
        self.traefik.restart()
        self.assertEqual(child.signals, ["TERM"])
        self.machine.run_for(11)
        self.assertEqual(child.signals, ["TERM", "KILL"])
        child.end(9)
        self.machine.run_for(1)
        self.assertEqual(len(self.machine.children), 2)
        self.traefik.restart()
        self.machine.children[-1].end()
        self.machine.run_for(20)
        self.assertEqual((self.machine.children[1].signals, len(self.machine.children)), (["TERM"], 3))

    def test_a_disk_that_is_full_for_a_while_does_not_end_it_for_good(self) -> None:
        child = self.started()
        with mock.patch.object(embedded, "replace_file", side_effect=OSError(28, "No space left on device")):
            child.end(1)
            self.machine.run_for(60)
        self.assertEqual(len(self.machine.children), 1)
        self.machine.run_for(6)
        self.assertEqual(len(self.machine.children), 2)

    def test_a_wildcard_is_tried_on_loopback(self) -> None:
        for host, tried in (("", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("192.0.2.7", "192.0.2.7")):
            self.assertEqual(_endpoint(Address(host=host, port=80)), Endpoint(ip_address(tried), 80))
