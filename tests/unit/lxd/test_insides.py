"""Commands and consoles on the simulator."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.insides import SIZE, InsidesContract, Screen
from tests.contracts.lxd_api import contract
from tests.unit.testing.test_lxd_api import ApiCase
from webspaced.core.command import Command
from webspaced.errors import OutputTooLarge
from webspaced.lxd.streams import QUIET, Outputs
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
    async def test_who_leaves_while_sockets_are_connected_leaves_none(self) -> None:
        await self.create_and_start()
        for moment in range(40):
            screen = Screen()
            attaching = Deferred.fromCoroutine(self.insides.attach(self.name, Command(argv=("sleep", "60")), SIZE, screen))
            attaching.addErrback(lambda _: None)
            await self.sleep(moment / 1000)
            if attaching.called:
                break
            attaching.cancel()
        else:
            self.fail("it was never too late")
        await self.sleep(20)
        # Of the last one, which was not given up.
        self.assertEqual(len(await self.running()), 1)
        self.assertEqual(self.flushLoggedErrors(), [])


MARK = b"0123456789abcdef"


class OutputsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()

    @given(st.binary(max_size=40), st.binary(max_size=40), st.integers(0, 255), st.lists(st.integers(0, 100)))
    def test_the_mark_is_found_however_it_comes(self, before: bytes, after: bytes, code: int, cuts: list[int]) -> None:
        outputs = Outputs(self.clock, 1000, MARK)
        said = before + MARK + b"%d\n" % code + after
        edges = [0, *sorted(cut for cut in cuts if cut < len(said)), len(said)]
        for start, end in pairwise(edges):
            outputs.stderr.data(said[start:end])
        self.assertEqual((outputs.code, outputs.errors), (code, before + after))
        outputs.forget()

    def test_what_only_looks_like_a_mark(self) -> None:
        outputs = Outputs(self.clock, 10_000, MARK)
        outputs.stderr.data(MARK + b"9" * 5000 + b"\n")
        self.assertIsNone(outputs.code)

    def test_it_waits_while_more_comes_after_the_mark(self) -> None:
        outputs = Outputs(self.clock, 1000, MARK)
        outputs.stderr.data(MARK + b"0\n")
        for _ in range(3):
            self.clock.advance(QUIET * 0.9)
            outputs.stdout.data(b"x")
        self.assertFalse(outputs.ended.called)
        self.clock.advance(QUIET)
        self.assertTrue(outputs.ended.called)
        self.assertEqual(outputs.stdout.received, b"xxx")

    def test_too_much(self) -> None:
        outputs = Outputs(self.clock, 10, MARK)
        outputs.stdout.data(b"12345")
        outputs.stderr.data(b"12345" + MARK + b"0\n")
        self.assertFalse(outputs.ended.called)
        outputs.stderr.data(b"6")
        self.failureResultOf(outputs.ended, OutputTooLarge)
        self.assertEqual(self.clock.getDelayedCalls(), [])
