"""dnsmasq as a child process."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.router.networks import LAN
from tests.unit.timing import Time
from webspaced.router.dnsmasq import Folders, Names, Offer
from webspaced.router.records import Given
from webspaced.router.server import LONGEST_LINE, LONGEST_PAUSE, Dnsmasq

ACK = "dnsmasq-dhcp[9]: DHCPACK(lan0) 172.24.1.7 00:16:3e:00:00:01 ws-u1\n"
OLD = "99 00:16:3e:00:00:01 172.24.1.7 ws-u1 *\n99 00:16:3e:00:00:02 172.24.1.70 ws-u2 *\n"


class Process:
    """A process that was started, which ends when it is killed."""

    def __init__(self, protocol: Any, arguments: Sequence[str], leases: str) -> None:
        self.protocol, self.arguments, self.leases = protocol, arguments, leases
        self.pid: int | None = 77
        self.is_there = True

    def signalProcess(self, name: str) -> None:
        if not self.is_there:
            raise ProcessExitedAlready
        assert name == "KILL"
        self.end(signal=9)

    def end(self, status: int = 0, signal: int | None = None) -> None:
        self.is_there = False
        bad = status or signal
        self.protocol.processEnded(Failure(ProcessTerminated(status, signal) if bad else ProcessDone(0)))


class Machine(Time):
    """A reactor that starts such processes."""

    def __init__(self, folders: Folders) -> None:
        super().__init__()
        self.processes: list[Process] = []
        self._folders = folders

    def spawnProcess(self, protocol: Any, program: str, arguments: Sequence[str], env: Any) -> Process:
        assert program == arguments[0] == sys.executable
        # Who starts it has what it reads.
        assert "dhcp-authoritative" in self._folders.configuration.read_text()
        leases = self._folders.leases.read_text() if self._folders.leases.exists() else ""
        self.processes.append(Process(protocol, arguments, leases))
        return self.processes[-1]


class ServerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folders = Folders(root=Path(self.mktemp()).absolute())
        self.folders.root.mkdir(parents=True)
        self.machine = Machine(self.folders)
        self.given: list[Given] = []
        names = Names(domain="webspace")
        self.server = Dnsmasq(self.machine, "/usr/sbin/dnsmasq", LAN, names, Offer(), self.folders, self.given.append)
        self.server.startService()
        self.addCleanup(self.stop)

    def stop(self) -> Any:
        return Deferred.fromCoroutine(self.server.stopService())

    @property
    def process(self) -> Process:
        return self.machine.processes[-1]

    def count(self) -> int:
        return len(self.machine.processes)

    def test_it_runs_only_while_it_is_to_answer(self) -> None:
        self.assertEqual(self.count(), 0)
        self.server.serve()
        self.server.serve()
        self.assertEqual((self.count(), self.server.pid), (1, 77))
        self.server.rest()
        self.assertEqual((self.process.is_there, self.server.pid), (False, None))
        self.machine.run_for(2 * LONGEST_PAUSE)
        self.assertEqual(self.count(), 1)

    def test_the_kernel_ends_it_with_us(self) -> None:
        self.server.serve()
        self.assertEqual(list(self.process.arguments[1:3]), ["-m", "webspaced.lib.bound_to_parent"])

    def test_it_is_started_again_after_a_growing_pause(self) -> None:
        self.server.serve()
        begins = []
        for _ in range(12):
            before = self.machine.seconds()
            self.process.end(1)
            count = self.count()
            self.machine.run_until(lambda count=count: self.count() > count)  # type: ignore[misc]
            begins.append(self.machine.seconds() - before)
        self.assertEqual(begins, sorted(begins))
        self.assertLess(begins[0], 0.1)
        self.assertEqual(round(begins[-1], 6), LONGEST_PAUSE)

    def test_one_that_ran_for_long_is_started_again_soon(self) -> None:
        self.server.serve()
        for _ in range(12):
            count = self.count()
            self.process.end(1)
            self.machine.run_until(lambda count=count: self.count() > count)  # type: ignore[misc]
        self.machine.advance(LONGEST_PAUSE + 1)
        self.process.end(1)
        count = self.count()
        self.machine.run_for(0.1)
        self.assertEqual(self.count(), count + 1)

    def test_what_it_is_to_forget_is_gone_before_it_starts_anew(self) -> None:
        self.folders.leases.write_text(OLD)
        self.server.serve()
        self.assertEqual(self.process.leases, OLD)
        self.server.forget([ip_address("172.24.1.7")])
        self.assertEqual(self.count(), 2)
        self.assertEqual(self.process.leases, OLD.splitlines(keepends=True)[1])

    def test_what_cannot_be_written_is_tried_again(self) -> None:
        """A disk that is full has the router neither hang nor forget what is to be forgotten."""
        self.folders.leases.write_text(OLD)
        self.server.serve()
        self.folders.root.rename(self.folders.root.with_suffix(".away"))
        self.server.forget([ip_address("172.24.1.7")])
        self.assertEqual(self.count(), 1)
        self.folders.root.with_suffix(".away").rename(self.folders.root)
        self.machine.run_for(LONGEST_PAUSE)
        self.assertEqual(self.count(), 2)
        self.assertNotIn("172.24.1.7 ", self.process.leases)

    def test_it_answers_once_it_says_so(self) -> None:
        self.server.serve()
        self.assertFalse(self.server.answers)
        self.process.protocol.errReceived(b"dnsmasq[9]: started, version 2.90 cachesize 150\n")
        self.assertTrue(self.server.answers)
        self.server.forget([])
        self.assertFalse(self.server.answers)

    def test_what_it_gives_is_heard_however_its_lines_are_cut(self) -> None:
        self.server.serve()
        for each in ACK.encode():
            self.process.protocol.errReceived(bytes([each]))
        self.assertEqual(self.given, [Given("given", ip_address("172.24.1.7"), "00:16:3e:00:00:01")])

    def test_a_line_without_end_takes_no_memory(self) -> None:
        self.server.serve()
        for _ in range(100):
            self.process.protocol.errReceived(b"x" * LONGEST_LINE)
        self.assertLessEqual(len(self.process.protocol._rest), LONGEST_LINE)

    def test_the_stop_waits_for_its_end(self) -> None:
        self.server.serve()
        stopped = self.stop()
        self.assertFalse(self.process.is_there)
        self.successResultOf(stopped)
