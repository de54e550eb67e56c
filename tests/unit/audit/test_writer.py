"""Lines are written beside the reactor: a full disk, a reader that does not read and a rotation hold nobody up."""

from __future__ import annotations

import io
import json
import os
import threading
from pathlib import Path

from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import Logger, LogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.assembled import AssembledCase
from webspaced.audit import writer as module
from webspaced.audit.trail import Trail, trail_for
from webspaced.audit.writer import LogFile, Stream, Writer, writer_for
from webspaced.errors import Invalid
from webspaced.lib.logs import log_observer

WAIT = 30.0
"""Seconds for a thread to do what it certainly does; nothing is measured by this."""


class FileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()).absolute()

    def test_each_line_and_nobody_elses_to_read(self) -> None:
        writer = writer_for(str(self.path))
        for number in range(100):
            writer.put(f"{number}\n")
        self.assertTrue(writer.close(WAIT))
        self.assertEqual(self.path.read_text().split(), [str(number) for number in range(100)])
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
        self.assertEqual((writer.written, writer.lost, writer.trouble), (100, 0, ""))

    def test_what_is_there_is_kept(self) -> None:
        self.path.write_text("before\n")
        writer = writer_for(str(self.path))
        writer.put("after\n")
        writer.close(WAIT)
        self.assertEqual(self.path.read_text(), "before\nafter\n")

    def test_it_is_opened_again_when_it_was_moved_or_removed(self) -> None:
        file = LogFile(self.path)
        self.addCleanup(file.close)
        file.write(b"one\n")
        moved = self.path.with_suffix(".1")
        self.path.rename(moved)
        file.write(b"two\n")
        self.assertEqual((moved.read_text(), self.path.read_text()), ("one\n", "two\n"))
        self.path.unlink()
        file.write(b"three\n")
        self.assertEqual(self.path.read_text(), "three\n")
        self.path.rename(moved)
        self.path.write_text("")
        file.write(b"four\n")
        self.assertEqual((moved.read_text(), self.path.read_text()), ("three\n", "four\n"))

    def test_a_place_that_cannot_be_written_ends_the_start(self) -> None:
        error = self.assertRaises(Invalid, writer_for, str(self.path / "nowhere" / "audit.log"))
        self.assertIn("audit_log", str(error))


class Failing:
    """A target that is full for the first lines, and takes half of one of them."""

    def __init__(self, path: Path, failures: int) -> None:
        self._file = LogFile(path)
        self._failures = failures

    def write(self, data: bytes) -> None:
        if self._failures:
            self._failures -= 1
            self._file.write(data[: len(data) // 2])
            raise OSError(28, "No space left on device")
        self._file.write(data)

    def close(self) -> None:
        self._file.close()


class MishapTests(SynchronousTestCase):
    def test_a_full_disk(self) -> None:
        writer = Writer(lambda: LogFile(Path("/dev/full")))
        for _ in range(5):
            writer.put("a line\n")
        self.assertTrue(writer.close(WAIT))
        self.assertEqual((writer.written, writer.lost, writer.trouble), (0, 5, "No space left on device"))

    def test_lines_after_one_that_was_torn_are_whole(self) -> None:
        path = Path(self.mktemp())
        writer = Writer(lambda: Failing(path, 1))
        for number in range(3):
            writer.put(f'{{"n": {number}}}\n')
        writer.close(WAIT)
        whole = [line for line in path.read_text().splitlines() if line.endswith("}")]
        self.assertEqual([json.loads(line)["n"] for line in whole], [1, 2])
        self.assertEqual((writer.written, writer.lost), (2, 1))

    def test_a_pipe_that_nobody_reads(self) -> None:
        there, here = os.pipe()
        writer = Writer(lambda: Stream(here), most=10)
        # More than the pipe takes, and the queue. None of these waits, or the test would never end.
        for _ in range(40):
            writer.put("x" * 16_000 + "\n")
        self.assertGreater(writer.lost, 0)
        self.assertEqual(writer.trouble, "it is not read, or too slow")
        self.assertFalse(writer.close(0.01))
        os.close(there)
        os.close(here)

    def test_a_pipe_that_does_not_wait(self) -> None:
        there, here = os.pipe()
        os.set_blocking(here, False)
        writer = Writer(lambda: Stream(here))
        read: list[bytes] = []

        def drain() -> None:
            while piece := os.read(there, 65536):
                read.append(piece)

        reader = threading.Thread(target=drain)
        for _ in range(20):
            writer.put("x" * 16_000 + "\n")
        reader.start()
        self.assertTrue(writer.close(WAIT))
        os.close(here)
        reader.join(WAIT)
        os.close(there)
        self.assertEqual((writer.written, writer.lost, len(b"".join(read))), (20, 0, 20 * 16_001))


class TrailTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.stream = io.StringIO()
        observer = LogPublisher(log_observer(self.stream, "info", "json"))
        self.patch(Trail, "log", Logger(namespace="webspaced.audit", observer=observer))

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.stream.getvalue().splitlines()]

    def test_losses_are_said_once_until_it_goes_on(self) -> None:
        writer = Writer(lambda: LogFile(Path("/dev/null")), most=1)
        trail = Trail(Clock(), lambda: 0.0, writer)
        self.patch(module, "Thread", _NoThread)
        for _ in range(5):
            trail.note("order.sync", outcome="ok")
        self.assertEqual(self.events(), ["audit.lost"])
        # As when the thread has written one.
        writer._waiting.get_nowait()
        writer.trouble = ""
        trail.note("order.sync", outcome="ok")
        trail.note("order.sync", outcome="ok")
        self.assertEqual(self.events(), ["audit.lost", "audit.found", "audit.lost"])
        self.assertEqual(json.loads(self.stream.getvalue().splitlines()[1])["count"], 4)
        self.assertEqual(trail.counted().values, {("written",): 0, ("lost",): 5})

    def test_what_waits_is_written_when_the_daemon_ends(self) -> None:
        path, reactor = Path(self.mktemp()).absolute(), MemoryReactorClock()
        trail = trail_for(reactor, str(path), lambda: 0.0)
        trail.note("order.sync", outcome="ok", reason="a\nb")
        for work, arguments, named in reactor.triggers["after"]["shutdown"]:
            work(*arguments, **named)
        (line,) = path.read_text().splitlines()
        self.assertEqual(json.loads(line), {
            "time": "1970-01-01T00:00:00.000000Z", "action": "order.sync", "cause": "upkeep", "who": {"kind": "webspaced"},
            "from": {}, "outcome": "ok", "reason": "a\nb",
        })  # fmt: skip

    def test_without_a_place_nothing_is_done(self) -> None:
        trail = trail_for(MemoryReactorClock(), "", lambda: 0.0)
        trail.note("order.sync", outcome="ok")
        self.assertFalse(trail.is_on)
        self.assertEqual(trail.counted().values, {})


class SettingTests(AssembledCase):
    def test_where(self) -> None:
        path = Path(self.mktemp()).absolute()
        self.start(audit_log=str(path))
        self.create()
        for work, arguments, named in self.machine.triggers["after"]["shutdown"]:
            work(*arguments, **named)
        self.assertIn('"webspace.create"', path.read_text())

    def test_what_is_no_place(self) -> None:
        for value in ("stdout", "stderr", ""):
            self.build(audit_log=value)
            self.assertEqual(self.settings.audit_log, value)
        self.assertRaises(Invalid, self.build, audit_log="/nowhere/at/all")


class _NoThread:
    """One that never gets to work."""

    def __init__(self, **_how: object) -> None:
        pass

    def start(self) -> None:
        pass
