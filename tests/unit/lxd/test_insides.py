"""Commands and consoles on the simulator."""

from __future__ import annotations

from itertools import pairwise

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.insides import SIZE, InsidesContract, Screen
from tests.contracts.lxd_api import contract
from tests.unit.testing.test_lxd_api import ApiCase
from webspaced.core.command import Command, Completed
from webspaced.errors import OutputTooLarge
from webspaced.lxd.streams import GOODBYE, KILLED, LAST_PATIENCE, MARK_PATIENCE, QUIET, Outputs, Terminal
from webspaced.testing.lxd.flavour import INCUS


class LxdInsidesTests(ApiCase, InsidesContract):
    pass


class IncusInsidesTests(ApiCase, InsidesContract):
    flavour = INCUS


class TogetherTests(ApiCase, InsidesContract):
    """What a real server does not let one see, or not every time."""

    @contract
    async def test_two_who_open_a_console_at_once(self) -> None:
        await self.create_and_start()
        screens = [Screen() for _ in range(3)]
        opening = [Deferred.fromCoroutine(self.insides.console(self.name, SIZE, screen)) for screen in screens]
        consoles = [await each for each in opening]
        await self.sleep(5)
        for console, screen in zip(consoles, screens, strict=True):
            console.write(b"x")
            self.assertNotIn(b"Error", screen.shown)
        await self.sleep(1)
        self.assertEqual([screen.shown for screen in screens], [b"", b"", b"x"])
        self.assertEqual(len(self.insides._consoles), 1)

    @contract
    async def test_what_a_command_said_at_last_is_not_lost_by_a_slow_server(self) -> None:
        await self.create_and_start()
        (instance,) = self.lxd.machine.instances.values()
        instance.behaviour = evolve(instance.behaviour, loses=0.4)
        ended = await self.run_in("sh", "-c", "echo out; echo err >&2; exit 5")
        self.assertEqual(ended, Completed(code=5, stdout=b"out\n", stderr=b"err\n"))
        self.assertEqual(await self.run_in("cat", stdin=b"in"), Completed(code=0, stdout=b"in"))

    def sockets(self) -> int:
        """Count the WebSockets that the server has open."""
        operations = [each for each in self.lxd.machine.operations.all() if each.sockets is not None]
        return sum(socket.open for each in operations for socket in each.sockets.by_name.values())

    @contract
    async def test_who_leaves_while_sockets_are_connected_leaves_none(self) -> None:
        await self.create_and_start()
        for moment in range(40):
            screen = Screen()
            attaching = Deferred.fromCoroutine(self.insides.attach(self.name, Command(argv=("sleep", "60")), SIZE, screen))
            attaching.addErrback(lambda _: None)
            await self.sleep(moment / 1000)
            if attaching.called:
                break
            before = self.sockets()
            attaching.cancel()
            await self.sleep(0.5)
            self.assertEqual(self.sockets(), 0, f"after {moment} ms, when there were {before}")
        else:
            self.fail("it was never too late")
        await self.sleep(20)
        # Of the last one, which was not given up.
        self.assertEqual(len(await self.running()), 1)
        self.assertEqual(self.flushLoggedErrors(), [])


class Line:
    """A socket of LXD's that somebody closes."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def close(self) -> None:
        self.said.append("close")

    def abort(self) -> None:
        self.said.append("abort")


class GoodbyeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.screen = Clock(), Screen()
        self.socket, self.control = Line(), Line()
        self.outcome: Deferred[int] = Deferred()

    def terminal(self, *, control_kills: bool) -> Terminal:
        async def outcome() -> int:
            return await self.outcome

        self.kills: list[str] = []
        terminal = Terminal(
            self.clock, self.screen, outcome, control_kills=control_kills, kill=lambda: self.kills.append("kill")
        )
        terminal.join(self.socket, self.control)  # type: ignore[arg-type]
        terminal.close()
        return terminal

    def test_a_console_that_hears_no_goodbye_is_ended_in_steps(self) -> None:
        self.terminal(control_kills=False)
        self.assertEqual((self.socket.said, self.control.said), (["close"], []))
        self.clock.advance(GOODBYE)
        self.assertEqual((self.socket.said, self.control.said), (["close", "abort"], []))
        self.clock.advance(GOODBYE)
        self.assertEqual(self.control.said, ["abort"])

    def test_a_command_is_killed_once_the_goodbye_is_answered(self) -> None:
        terminal = self.terminal(control_kills=True)
        terminal.closed(1000, "")
        self.assertEqual(self.control.said, ["close"])

    def test_what_lxd_does_not_end_at_all_is_killed(self) -> None:
        self.terminal(control_kills=True)
        self.clock.pump([GOODBYE, GOODBYE])
        self.assertEqual(self.kills, [])
        self.clock.advance(GOODBYE)
        self.assertEqual(self.kills, ["kill"])

    def test_what_lxd_never_ends_is_taken_for_killed(self) -> None:
        terminal = self.terminal(control_kills=True)
        self.clock.pump([GOODBYE] * 3)
        self.assertNoResult(terminal.ended)
        self.clock.advance(LAST_PATIENCE)
        self.assertEqual(self.successResultOf(terminal.ended), KILLED)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_what_it_ends_in_time_is_not_killed(self) -> None:
        self.terminal(control_kills=True)
        self.clock.pump([GOODBYE, GOODBYE])
        self.outcome.callback(137)
        self.clock.advance(10 * GOODBYE)
        self.assertEqual(self.kills, [])

    def test_when_it_has_ended_nothing_is_left_to_do(self) -> None:
        terminal = self.terminal(control_kills=False)
        self.outcome.callback(7)
        self.assertEqual(self.successResultOf(terminal.ended), 7)
        self.assertEqual((self.control.said, self.clock.getDelayedCalls()), (["abort"], []))


MARK = b"0123456789abcdef"


class OutputsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()

    def outputs(self, largest: int = 1000) -> Outputs:
        outputs = Outputs(self.clock, largest, MARK)
        self.addCleanup(outputs.forget)
        return outputs

    @given(st.binary(max_size=40), st.binary(max_size=40), st.integers(0, 255), st.lists(st.integers(0, 100)))
    def test_the_mark_is_found_however_it_comes(self, before: bytes, after: bytes, code: int, cuts: list[int]) -> None:
        outputs = self.outputs()
        said = before + MARK + b"%d\n" % code + after
        edges = [0, *sorted(cut for cut in cuts if cut < len(said)), len(said)]
        for output in (outputs.stdout, outputs.stderr):
            self.assertFalse(outputs.marked.called)
            for start, end in pairwise(edges):
                output.data(said[start:end])
            self.assertEqual((output.code, output.said, output.size), (code, before + after, len(before + after)))
        self.assertTrue(outputs.marked.called)
        self.assertEqual(outputs.code, code)

    def test_what_only_looks_like_a_mark(self) -> None:
        outputs = self.outputs(10_000)
        outputs.stderr.data(MARK + b"9" * 5000 + b"\n")
        self.assertIsNone(outputs.code)

    def test_it_waits_while_more_comes_after_the_mark(self) -> None:
        outputs = self.outputs()
        outputs.stdout.data(MARK + b"0\n")
        outputs.stderr.data(MARK + b"0\n")
        for _ in range(3):
            self.clock.advance(QUIET * 0.9)
            outputs.stdout.data(b"x")
        self.assertFalse(outputs.ended.called)
        self.clock.advance(QUIET)
        self.assertTrue(outputs.ended.called)
        self.assertEqual(outputs.stdout.said, b"xxx")

    def test_nothing_is_over_before_both_outputs_were_read_to_their_marks(self) -> None:
        outputs = self.outputs()
        outputs.stderr.data(MARK + b"3\n")
        self.clock.advance(MARK_PATIENCE * 0.9)
        self.assertFalse(outputs.marked.called)
        outputs.stdout.data(b"late" + MARK + b"3\n")
        self.assertTrue(outputs.marked.called)
        self.clock.advance(QUIET)
        self.assertTrue(outputs.ended.called)
        self.assertEqual((outputs.stdout.said, outputs.code), (b"late", 3))

    def test_but_not_for_ever(self) -> None:
        outputs = self.outputs()
        outputs.stderr.data(MARK + b"3\n")
        self.clock.advance(MARK_PATIENCE)
        self.assertEqual((outputs.marked.called, outputs.ended.called), (True, False))
        self.clock.advance(QUIET)
        self.assertTrue(outputs.ended.called)

    def test_too_much(self) -> None:
        outputs = self.outputs(10)
        outputs.stdout.data(b"12345" + MARK + b"0\n")
        outputs.stderr.data(b"12345" + MARK + b"0\n")
        self.assertFalse(outputs.ended.called)
        outputs.stderr.data(b"6")
        self.failureResultOf(outputs.ended, OutputTooLarge)
        self.assertEqual(self.clock.getDelayedCalls(), [])
