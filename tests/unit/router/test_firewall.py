"""The router's table in the kernel, and the programs that are run for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.router.networks import LAN
from tests.unit.router.programs import Programs
from webspaced.errors import DeadlineExceeded, Unavailable
from webspaced.router.firewall import INTERVAL, Firewall
from webspaced.router.programs import TIMEOUT, find, run
from webspaced.router.rules import REASONS, TABLE, Limits, ruleset


class Nft(Programs):
    """nft, with one table or none."""

    def __init__(self) -> None:
        super().__init__()
        self.table = ""
        self.refuses = False
        self.loads = 0

    def say(self, arguments: Sequence[str], text: str) -> str:
        if arguments[:2] == ["-f", "-"]:
            if self.refuses:
                raise Unavailable("Error: Operation not permitted")
            self.loads += 1
            self.table = text
            return ""
        if not self.table:
            raise Unavailable("Error: No such file or directory")
        if "counters" in arguments:
            counters = [{"counter": {"name": name, "packets": number}} for number, name in enumerate(REASONS)]
            return json.dumps({"nftables": [{"metainfo": {}}, *counters]})
        return self.table


class FirewallTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.nft = Nft()
        self.text = ruleset(LAN, Limits())
        self.firewall = Firewall(self.nft, "/usr/sbin/nft", self.text)
        self.firewall.startService()
        self.addCleanup(self.firewall.stopService)

    def load(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self.firewall.load())

    def test_it_is_loaded_at_once_and_as_a_whole(self) -> None:
        self.successResultOf(self.load())
        self.assertEqual((self.nft.table, self.firewall.is_loaded), (self.text, True))

    def test_nothing_is_loaded_before_that(self) -> None:
        self.nft.advance(INTERVAL)
        self.assertEqual((self.nft.loads, self.nft.ran), (0, []))

    def test_a_refusal_is_told(self) -> None:
        self.nft.refuses = True
        failure = self.failureResultOf(self.load(), Unavailable)
        self.assertIn("Operation not permitted", failure.getErrorMessage())
        self.assertFalse(self.firewall.is_loaded)

    def test_what_nobody_changed_stays(self) -> None:
        self.successResultOf(self.load())
        self.nft.advance(INTERVAL)
        self.nft.advance(INTERVAL)
        self.assertEqual(self.nft.loads, 1)

    def test_what_somebody_changed_or_removed_is_put_back(self) -> None:
        self.successResultOf(self.load())
        for changed in ("table inet something {}", ""):
            self.nft.table = changed
            self.nft.advance(INTERVAL)
            self.assertEqual(self.nft.table, self.text)
        self.assertEqual(self.firewall.loads, 3)

    def test_while_it_cannot_be_put_back_the_router_is_not_ready(self) -> None:
        self.successResultOf(self.load())
        self.nft.table, self.nft.refuses = "", True
        self.nft.advance(INTERVAL)
        self.assertFalse(self.firewall.is_loaded)
        self.nft.refuses = False
        self.nft.advance(INTERVAL)
        self.assertTrue(self.firewall.is_loaded)

    def test_refusals_are_counted(self) -> None:
        self.assertEqual(set(self.firewall.refused.values()), {0})
        self.successResultOf(self.load())
        self.nft.advance(INTERVAL)
        self.assertEqual(self.firewall.refused, {name: number for number, name in enumerate(REASONS)})
        self.assertIn(TABLE, self.nft.ran[-1])


class RunTests(SynchronousTestCase):
    def run_one(self, reactor: Programs, program: str = "/bin/one") -> Deferred[str]:
        return Deferred.fromCoroutine(run(reactor, (program, "-f", "-"), "text"))

    def test_it_gives_what_is_said(self) -> None:
        programs: Any = Programs()
        programs.say = lambda arguments, text: f"{arguments} {text}"
        self.assertEqual(self.successResultOf(self.run_one(programs)), "['-f', '-'] text")

    def test_one_that_is_missing(self) -> None:
        self.failureResultOf(self.run_one(Programs(), "/missing/one"), Unavailable)

    def test_one_that_hangs_is_killed(self) -> None:
        programs = Programs()
        programs.hangs = True
        running = self.run_one(programs)
        programs.advance(TIMEOUT)
        self.failureResultOf(running, DeadlineExceeded)
        self.assertEqual(programs.processes[0].signals, ["KILL"])

    def test_the_message_names_the_package(self) -> None:
        error = self.assertRaises(Unavailable, find, "no-such-program", "some-package")
        self.assertIn("some-package", str(error))
