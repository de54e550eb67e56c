"""What Traefik says comes through within bounds, and what was wrong last is remembered."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.logger import capturedLogs, formatEvent
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import Time, watch
from webspaced.traefik.child import LONGEST_LINE, MOST_READ, PAUSE, Child

FULL = "2026-11-29T18:00:00Z ERR accept tcp 127.0.0.1:80: accept4: too many open files\n"


class Pipe:
    def __init__(self) -> None:
        self.reads = True

    def stopReading(self) -> None:
        self.reads = False

    def startReading(self) -> None:
        self.reads = True


class ChildTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Time()
        self.child = Child(self.clock)
        self.pipes = {0: Pipe(), 1: Pipe(), 2: Pipe()}
        self.child.makeConnection(SimpleNamespace(pipes=self.pipes))  # type: ignore[arg-type]

    def said(self, data: bytes, seconds: float = 0.0) -> list[str]:
        with capturedLogs() as events:
            self.child.outReceived(data)
            self.clock.run_for(seconds)
        return [formatEvent(event) for event in events]

    def reading(self) -> list[bool]:
        return [self.pipes[number].reads for number in (1, 2)]

    def test_lines_come_through_whatever_they_are(self) -> None:
        self.assertEqual(self.said(b"one\ntwo {brace}\n\xff\n"), ["traefik: one", "traefik: two {brace}", "traefik: �"])
        (line,) = self.said(b"x" * 5000 + b"\n")
        self.assertEqual(len(line), LONGEST_LINE + len("traefik: "))

    def test_of_a_flood_some_are_written_and_the_others_counted(self) -> None:
        lines = self.said(FULL.encode() * 2000, 61.0)
        self.assertLess(len(lines), 500)
        self.assertRegex(lines[-1], r"[0-9]+ more lines of Traefik within 60 s are not written here")
        # Later there is room for some again: who is still full says so now and then.
        self.assertEqual(self.said(FULL.encode()), [f"traefik: {FULL.strip()}"])

    def test_who_says_too_much_is_not_read_for_a_moment(self) -> None:
        self.said(b"\n" * (MOST_READ - 1))
        self.assertEqual(self.reading(), [True, True])
        self.said(b"\n")
        self.assertEqual(self.reading(), [False, False])
        self.clock.run_for(PAUSE)
        self.assertEqual((self.reading(), self.pipes[0].reads), ([True, True], True))
        self.said(b"\n" * (MOST_READ - 1))
        self.assertEqual(self.reading(), [True, True])

    def test_the_last_trouble_is_remembered(self) -> None:
        self.said(b"2026-11-29T18:00:00Z WRN so what\n")
        self.assertEqual(self.child.trouble, "")
        self.said(b"2026-11-29T18:00:00Z ERR Unable to obtain a certificate for bob.example\n")
        self.assertEqual(self.child.trouble, "")
        # Pipes cut lines anywhere.
        self.said(b"2026-11-29T18:00:00Z ER")
        self.said(b'R Cannot start the provider error="no inotify"\n2026-11-29T18:00:01Z INF fine\n')
        self.assertEqual(self.child.trouble, 'Cannot start the provider error="no inotify"')

    def test_its_end(self) -> None:
        reasons: tuple[tuple[Any, str], ...] = ((ProcessDone(0), "it exited"), (ProcessTerminated(9), "9"))
        for reason, said in reasons:
            self.setUp()
            ended = watch(self.child.ended)
            self.said(b"\n")
            self.child.processEnded(Failure(reason))
            self.assertIn(said, ended.value)
            self.assertEqual(self.clock.getDelayedCalls(), [])
