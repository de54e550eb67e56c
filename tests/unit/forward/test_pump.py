"""Whatever the kernel does, what arrives is what was sent, an end is an end and a reset a reset.

The same checks are run on relays that are broken on purpose: a check that they pass proves nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.forward.kernel import BUFFER, Relay
from webspaced.forward import pump
from webspaced.forward.pipes import Pipe
from webspaced.forward.pump import Pump
from webspaced.forward.sockets import LAST_WORDS, SocketLine
from webspaced.forward.states import Flow

VISITOR, CONTAINER = 0, 1
Step = tuple[str, int, int]
EXAMPLES = 250
SIDES = st.sampled_from((VISITOR, CONTAINER))
PLAIN = (
    st.tuples(st.just("arrive"), SIDES, st.sampled_from((1, BUFFER - 1, BUFFER, BUFFER + 1, 100))),
    st.tuples(st.just("arrive"), SIDES, st.integers(1, 400)),
    st.tuples(st.just("bulk"), SIDES, st.integers(30, 300)),
    st.tuples(st.just("last"), SIDES, st.integers(40, 70)),
    st.tuples(st.just("sip"), SIDES, st.integers(1, 20)),
    st.tuples(st.just("sip"), SIDES, st.integers(1, 3)),
    st.tuples(st.just("window"), SIDES, st.integers(1, 100)),
    st.tuples(st.just("end"), SIDES, st.just(0)),
    st.tuples(st.just("turn"), SIDES, st.just(0)),
    st.tuples(st.just("turn"), SIDES, st.just(0)),
)
URGENT = st.tuples(st.just("urge"), SIDES, st.integers(0, 100))
PLAIN_STEPS = st.lists(st.one_of(*PLAIN), min_size=10, max_size=60)
STEPS = st.lists(st.one_of(*PLAIN, URGENT), min_size=10, max_size=60)
PIPES = st.integers(0, 2)


class Course:
    """A relay, and what both sides said so far."""

    def __init__(self, kind: Callable[..., SocketLine], pipes: int) -> None:
        self.relay = Relay(kind, pipes)
        self.sent = [b"", b""]
        self.ended = [False, False]
        self._bytes = random.Random(0)  # noqa: S311  (the same in each run)

    def begin(self, first: bytes = b"") -> None:
        """Relay; the container is to get something ahead of what came meanwhile."""
        self.sent[VISITOR] = first + self.sent[VISITOR]
        self.relay.begin(first)

    def do(self, steps: Sequence[Step]) -> None:
        for name, side, size in steps:
            getattr(self, name)(side, size)

    def arrive(self, side: int, size: int) -> None:
        if not self.ended[side]:
            data = self._bytes.randbytes(size)
            self.sent[side] += data
            self.relay.sockets[side].arrive(data)

    def urge(self, side: int, size: int) -> None:
        """Send something urgent, and more behind it; there is one such mark at a time."""
        there = self.relay.sockets[side]
        if not self.ended[side] and there.mark is None:
            data = self._bytes.randbytes(size)
            self.sent[side] += data
            there.urge(b"!" + data)

    def window(self, side: int, size: int) -> None:
        self.relay.sockets[side].open_window(size)

    def bulk(self, side: int, size: int) -> None:
        """Send much to somebody who takes the beginning: enough for splicing to begin."""
        self.window(1 - side, 2 * BUFFER)
        self.arrive(side, size)
        self.turn()

    def last(self, side: int, size: int) -> None:
        """Send much and end, to somebody who takes it a byte at a time."""
        self.bulk(side, size)
        self.end(side)
        for _ in range(10):
            self.sip(1 - side, 1)

    def sip(self, side: int, size: int) -> None:
        """Take a little."""
        self.window(side, size)
        self.turn()

    def end(self, side: int, _size: int = 0) -> None:
        self.ended[side] = True
        self.relay.sockets[side].end()

    def turn(self, _side: int = 0, _size: int = 0) -> None:
        self.relay.turn()

    def finish(self) -> None:
        """Let both sides read all, and end."""
        for side in (VISITOR, CONTAINER):
            self.window(side, 1 << 20)
            self.turn()
        self.check_all_passed()
        for side in (VISITOR, CONTAINER):
            if not self.ended[side]:
                self.end(side)
        self.turn()

    def check_all_passed(self) -> None:
        """Whoever reads has all by now, without that anything more happens."""
        for side, other in ((VISITOR, CONTAINER), (CONTAINER, VISITOR)):
            there = self.relay.sockets[other]
            assert there.received == self.sent[side], "it stalls"
            assert there.sees_end or not self.ended[side], "the end stalls"

    def check_all_arrived(self) -> None:
        for side, other in ((VISITOR, CONTAINER), (CONTAINER, VISITOR)):
            there = self.relay.sockets[other]
            assert sha256(there.received).digest() == sha256(self.sent[side]).digest(), "not what was sent"
            assert there.closed and there.sees_end and not there.sees_reset, "it did not end in order"
            assert self.relay.lines[side].moved == len(self.sent[side])
        self.check_nothing_left()

    def check_reset(self) -> None:
        """Ended by a reset, of which nobody could see that it was not the other side's own."""
        for side, other in ((VISITOR, CONTAINER), (CONTAINER, VISITOR)):
            there = self.relay.sockets[other]
            assert self.sent[side].startswith(there.received), "not what was sent"
            assert there.closed and there.sees_reset, "a reset looks like an end"
        self.check_nothing_left()

    def check_nothing_left(self) -> None:
        relay = self.relay
        assert relay.owner.told == ["over"], relay.owner.told
        assert not relay.kernel.watched
        lent = relay.pipes.open - len(relay.pipes._free)
        assert lent == 0, "a pipe is lost"


def whole(kind: Callable[..., SocketLine], before: Sequence[Step], after: Sequence[Step], pipes: int) -> None:
    course = Course(kind, pipes)
    course.do(before)
    course.begin()
    course.do(after)
    course.finish()
    course.check_all_arrived()


def told_of(
    kind: Callable[..., SocketLine], before: Sequence[Step], first: bytes, after: Sequence[Step], pipes: int
) -> None:
    course = Course(kind, pipes)
    course.do(before)
    course.begin(first)
    # Servers that speak first do so only after this: it waits for nothing that the visitor says.
    course.window(CONTAINER, len(first))
    course.turn()
    assert course.relay.sockets[CONTAINER].received.startswith(first), "it is not told of the visitor"
    course.do(after)
    course.finish()
    course.check_all_arrived()


def broken_off(kind: Callable[..., SocketLine], before: Sequence[Step], after: Sequence[Step], side: int) -> None:
    course = Course(kind, 1)
    course.do(before)
    course.begin()
    course.do(after)
    if course.relay.sockets[side].closed:
        return
    course.relay.sockets[side].die()
    course.turn()
    course.window(1 - side, 1 << 20)
    course.turn()
    there = course.relay.sockets[1 - side]
    assert there.received == course.sent[side], "what was said before the reset is lost"
    # Who has said and heard all may see the end in order.
    if not all(course.ended):
        course.check_reset()
    course.check_nothing_left()


def asked_for(
    check: Callable[..., None], kind: Callable[..., SocketLine], *strategies: Any, shrink: bool = True, times: int = 1
) -> None:
    """Let hypothesis look for what fails a check."""
    phases = [phase for phase in Phase if phase is not Phase.explain and (shrink or phase is Phase.generate)]
    bounds = settings(
        deadline=None, max_examples=times * EXAMPLES, database=None, derandomize=not shrink, phases=phases,
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )
    bounds(given(st.tuples(*strategies))(lambda drawn: check(kind, *drawn)))()


class Small(SynchronousTestCase):
    def setUp(self) -> None:
        # The fake kernel counts in tens of bytes.
        self.patch(pump, "SMALL", 20)
        self.patch(pump, "PATIENCE", 2)


class RelayTests(Small):
    def test_what_arrives_is_what_was_sent(self) -> None:
        asked_for(whole, SocketLine, st.just(()), STEPS, PIPES)

    def test_an_urgent_byte_at_the_very_end_is_no_reason_for_a_reset(self) -> None:
        steps = [("bulk", VISITOR, 30), ("bulk", VISITOR, 30), ("urge", VISITOR, 0), ("end", VISITOR, 0)]
        whole(SocketLine, (), steps, 1)

    def test_what_came_while_it_was_held_too(self) -> None:
        asked_for(whole, SocketLine, STEPS, STEPS, PIPES)

    def test_what_is_said_of_the_visitor_comes_first_and_at_once(self) -> None:
        asked_for(told_of, SocketLine, STEPS, st.binary(min_size=1, max_size=40), STEPS, PIPES)

    def test_a_reset_is_a_reset_at_every_stage(self) -> None:
        asked_for(broken_off, SocketLine, STEPS, STEPS, SIDES)

    def test_a_large_one_is_spliced_and_ends_as_a_copy(self) -> None:
        course = Course(SocketLine, 1)
        course.begin()
        line = course.relay.lines[VISITOR]
        flows = set()
        for _ in range(500):
            course.arrive(VISITOR, 1000)
            course.window(CONTAINER, 1000)
            course.turn()
            flows.add(line.flow)
        for _ in range(5):
            course.arrive(VISITOR, 1)
            course.turn()
        flows.add(line.flow)
        self.assertEqual((flows, line.flow), ({Flow.SPLICING, Flow.COPYING}, Flow.COPYING))
        course.finish()
        course.check_all_arrived()
        self.assertEqual(line.moved, 500_005)

    def test_a_pipe_is_not_kept_while_nothing_comes(self) -> None:
        course = Course(SocketLine, 1)
        course.begin()
        course.window(CONTAINER, 1000)
        course.arrive(VISITOR, 200)
        course.turn()
        self.assertEqual((course.relay.lines[VISITOR].flow, len(course.relay.pipes._free)), (Flow.SPLICING, 1))

    def test_one_with_bytes_inside_is_closed_when_the_connection_breaks(self) -> None:
        course = Course(SocketLine, 1)
        course.begin()
        course.window(CONTAINER, BUFFER)
        course.arrive(VISITOR, 200)
        course.turn()
        self.assertGreater(course.relay.lines[VISITOR].inside, 0)
        course.relay.sockets[CONTAINER].die()
        course.turn()
        course.check_reset()
        self.assertEqual(course.relay.pipes.open, 0)

    def test_nothing_is_read_while_the_other_side_takes_nothing(self) -> None:
        course = Course(SocketLine, 0)
        course.begin()
        course.arrive(VISITOR, 10_000)
        for _ in range(10):
            course.turn()
        self.assertGreater(len(course.relay.sockets[VISITOR].inbox), 10_000 - 3 * BUFFER)

    def test_last_words_wait_for_who_takes_some_of_them(self) -> None:
        for side in (VISITOR, CONTAINER):
            course = Course(SocketLine, 1)
            course.begin()
            course.bulk(side, 300)
            course.relay.sockets[side].die()
            course.turn()
            there = course.relay.sockets[1 - side]
            for _ in range(3):
                course.relay.reactor.advance(LAST_WORDS - 1)
                course.sip(1 - side, 1)
                self.assertFalse(there.closed)
            course.relay.reactor.advance(LAST_WORDS)
            course.relay.reactor.advance(LAST_WORDS)
            course.check_reset()
            self.assertEqual(course.relay.reactor.getDelayedCalls(), [])

    def test_aborting_resets_both_sides(self) -> None:
        course = Course(SocketLine, 1)
        course.begin()
        course.arrive(VISITOR, 50)
        course.turn()
        course.relay.lines[CONTAINER].abort()
        course.check_reset()


class DropsWhatWasSaid(SocketLine):
    """A reset counts at once, whatever was said before."""

    def breaks(self) -> None:
        self.reset()


class TakesUrgentForTheEnd(SocketLine):
    """What splice(2) calls the end is the end."""

    def _fill(self, pipe: Pipe) -> None:
        ended = self.flow is Flow.ENDING
        super()._fill(pipe)
        if self.eager and not self.readable and not self.inside and not ended and self.flow is not Flow.ENDING:
            self.flow = Flow.ENDING


class LosesTheRest(SocketLine):
    """What the peer does not take at once is gone."""

    def _send(self, data: memoryview, peer: Any) -> bool:
        whole = super()._send(data, peer)
        self.rest = None
        return whole


class MissesTheEnd(SocketLine):
    """A short read means that there is no more, whatever was told of the end."""

    def _copy(self, peer: Any) -> None:
        self.eager = False
        super()._copy(peer)


class EndsTooEarly(SocketLine):
    """The sender's end is passed on with bytes still in the pipe."""

    def _empty(self, pipe: Pipe, peer: Any) -> bool:
        before = self.flow
        took = super()._empty(pipe, peer)
        if before is Flow.ENDING and not took and self.peer is not None:
            self.finish()
        return took


class TakesFullForEmpty(SocketLine):
    """EAGAIN of splice(2) means that the socket is empty, even with bytes in the pipe."""

    def _fill(self, pipe: Pipe) -> None:
        inside, readable = self.inside, self.readable
        super()._fill(pipe)
        if readable and inside and self.inside == inside:
            self.readable = False


class KeepsAFilledPipe(SocketLine):
    """A pipe goes back to the others with what is in it."""

    def _let_go(self, pipe: Pipe) -> None:
        self.inside = 0
        super()._let_go(pipe)


class EndsInOrder(SocketLine):
    """A reset is passed on as an end."""

    def reset(self) -> None:
        self._close(reset=False)


class MissesTheWindow(SocketLine):
    """Nobody is told when the peer takes bytes again."""

    def _wait_for(self, peer: Any) -> None:
        peer.writable = False


class SpinsWhenFull(SocketLine):
    """Who cannot write tries again and again."""

    def _wait_for(self, peer: Any) -> None:
        Pump._wait_for(self, peer)
        peer.writable = True
        self.engine.again(self)


class ControlTests(Small):
    """Each relay here is broken in one way that a prototype once was; the checks above must find it."""

    def assert_found(
        self, kind: type[SocketLine], check: Callable[..., None] = whole, times: int = 20, steps: Any = PLAIN_STEPS
    ) -> None:
        last = SIDES if check is broken_off else PIPES
        found = False
        try:
            asked_for(check, kind, steps, steps, last, shrink=False, times=times)
        except AssertionError:
            found = True
        # What the kernel itself objects to ends one connection only, and is logged.
        self.assertTrue(self.flushLoggedErrors(AssertionError) or found, "a broken relay passed")

    def test_a_sound_one_is_not_found(self) -> None:
        self.assertRaises(self.failureException, self.assert_found, SocketLine, times=1, steps=STEPS)

    def test_one_that_loses_bytes(self) -> None:
        self.assert_found(LosesTheRest)

    def test_one_that_misses_an_end_that_comes_with_bytes(self) -> None:
        self.assert_found(MissesTheEnd)

    def test_one_that_resets_before_all_is_passed_on(self) -> None:
        self.assert_found(DropsWhatWasSaid, broken_off)

    def test_one_that_ends_at_urgent_data(self) -> None:
        self.assert_found(TakesUrgentForTheEnd, steps=STEPS)

    def test_one_that_ends_before_the_pipe_is_empty(self) -> None:
        self.assert_found(EndsTooEarly)

    def test_one_that_takes_a_full_pipe_for_an_empty_socket(self) -> None:
        self.assert_found(TakesFullForEmpty)

    def test_one_that_gives_a_filled_pipe_back(self) -> None:
        self.assert_found(KeepsAFilledPipe, broken_off)

    def test_one_that_ends_where_it_should_reset(self) -> None:
        self.assert_found(EndsInOrder, broken_off)

    def test_one_that_does_not_wait_for_the_window(self) -> None:
        self.assert_found(MissesTheWindow)

    def test_one_that_spins(self) -> None:
        self.assert_found(SpinsWhenFull)
