"""No two processes of this machine are given the same port, though nobody listens there yet."""

from __future__ import annotations

import secrets
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from harness import places, ports
from harness.saying import CannotGoOn

OTHER = """
import sys
from harness import ports
print(ports.reserve(ports.GRAIN, range(*map(int, sys.argv[1:]))).ports.start, flush=True)
sys.stdin.read()
"""


class PortsCase(SynchronousTestCase):
    """``few`` are two grains of numbers beyond all ports: nobody else is after them."""

    def setUp(self) -> None:
        start = 100_000 + 100 * secrets.randbelow(10**9)
        self.few = range(start, start + 2 * ports.GRAIN)
        self.patch(ports, "_for_good", ExitStack())
        self.addCleanup(ports._for_good.close)
        self.patch(ports, "_reserved", set())

    def reserve(self) -> ports.Reserved:
        reserved = ports.reserve(ports.GRAIN, self.few)
        self.addCleanup(reserved.release)
        return reserved


class ReservationTests(PortsCase):
    def test_everybody_has_ports_of_his_own(self) -> None:
        first, second = self.reserve(), self.reserve()
        self.assertEqual({*first.ports, *second.ports}, set(self.few))
        self.assertRaises(CannotGoOn, self.reserve)
        first.release()
        self.assertEqual(self.reserve().ports, first.ports)
        # What is somebody else's by now is not given back once more.
        first.release()
        self.assertRaises(CannotGoOn, self.reserve)

    def test_of_other_processes_too_until_they_end(self) -> None:
        command = [sys.executable, "-c", OTHER, str(self.few.start), str(self.few.stop)]
        other = subprocess.Popen(
            command, cwd=places.CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert other.stdin is not None
        assert other.stdout is not None
        theirs = int(other.stdout.readline())
        ours = self.reserve().ports
        self.assertEqual({theirs, ours.start}, set(self.few[:: ports.GRAIN]))
        self.assertRaises(CannotGoOn, self.reserve)
        other.kill()
        other.communicate()
        self.assertEqual(self.reserve().ports.start, theirs)

    def test_whole_or_not_at_all(self) -> None:
        first = self.reserve()
        self.assertRaises(CannotGoOn, ports.reserve, 2 * ports.GRAIN, self.few)
        # What it had of them it gave back.
        self.reserve()
        first.release()

    def test_where_somebody_listens_nothing_is_given(self) -> None:
        self.patch(ports, "listening", lambda: {self.few[-1]})
        self.assertEqual(self.reserve().ports.start, self.few.start)
        self.assertRaises(CannotGoOn, self.reserve)


class ShareTests(PortsCase):
    def setUp(self) -> None:
        super().setUp()
        self.taken: set[int] = set()
        self.patch(ports, "_share", [])
        self.patch(ports, "UNUSED", self.few)
        self.patch(ports, "free", lambda port: port not in self.taken)

    def test_one_after_the_other_of_what_is_free(self) -> None:
        self.taken = {self.few[1], self.few[7]}
        given = [ports.by_chance() for _ in range(len(self.few) - 2)]
        self.assertEqual(set(given), set(self.few) - self.taken)
        self.assertEqual(ports.by_chance(), given[0])

    def test_nobody_else_is_given_one_of_them(self) -> None:
        ports.by_chance()
        self.assertRaises(CannotGoOn, self.reserve)

    def test_when_all_are_taken_that_is_said(self) -> None:
        self.taken = set(self.few)
        self.assertRaises(CannotGoOn, ports.by_chance)


class RememberedTests(PortsCase):
    def test_two_that_come_up_at_once_choose_different_ones_and_keep_them(self) -> None:
        folder = Path(self.mktemp())
        folder.mkdir()
        first, second = (ports.remembered(folder / name) for name in "ab")
        chosen = [{each.api, each.internal, each.http, each.https} for each in (first, second)]
        self.assertEqual(len(chosen[0] | chosen[1]), 8)
        self.assertEqual([ports.remembered(folder / name) for name in "ab"], [first, second])

    def test_what_was_kept_is_nobody_elses_before_it_is_listened_on(self) -> None:
        path = Path(self.mktemp())
        kept = ports.remembered(path)
        # As at its next start.
        ports._for_good.close()
        self.assertEqual(ports.remembered(path), kept)
        self.assertFalse(ports._hold(kept.api, ports._for_good))
        self.assertNotEqual(ports.remembered(path.with_name("other")).api, kept.api)
