"""When a router serves, and what it does first."""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from webspaced.errors import Unavailable
from webspaced.router.duty import RETRY, Duty
from webspaced.router.plan import Plan
from webspaced.router.standing import Alone, ByAddress


class Parts:
    """The parts of a router, which note what they are told."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.fails = 0
        self.plan = Plan()
        self.decides = False
        self.leaving: Deferred[None] | None = None

    async def take(self) -> None:
        self.told.append("take")
        if self.fails:
            self.fails -= 1
            raise Unavailable("there is no such interface yet")

    async def leave(self) -> None:
        self.told.append("leave")
        if self.leaving is not None:
            await self.leaving

    def announce(self) -> None:
        self.told.append("announce")

    def serve(self) -> None:
        self.told.append("serve")

    def rest(self) -> None:
        self.told.append("rest")

    def begin(self, plan: Plan) -> None:
        self.told.append("log")

    def end(self) -> None:
        self.told.append("end of log")

    def write_decided(self) -> None:
        self.told.append("decide")


class DutyTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.parts = Clock(), Parts()
        self.duty = self.made(moves=True)

    def made(self, *, moves: bool, keeps: bool = False) -> Duty:
        parts = cast("Any", self.parts)
        return Duty(self.clock, parts, parts, parts, parts, moves, keeps)

    def told(self) -> list[str]:
        told, self.parts.told = self.parts.told, []
        return told

    def test_the_address_comes_before_the_answers(self) -> None:
        self.duty.want(True)
        self.assertEqual(self.told(), ["take", "serve", "log", "decide"])
        self.assertTrue(self.duty.is_serving and self.parts.decides)

    def test_the_answers_end_before_the_address_goes(self) -> None:
        self.duty.want(True)
        self.told()
        self.parts.leaving = Deferred()
        self.duty.want(False)
        told = self.told()
        self.assertEqual((told[0], told[-1]), ("rest", "leave"))
        self.assertFalse(self.parts.decides)

    def test_it_is_tried_again(self) -> None:
        self.parts.fails = 2
        self.duty.want(True)
        self.assertFalse(self.duty.is_serving)
        for _ in range(2):
            self.clock.advance(RETRY)
        self.assertTrue(self.duty.is_serving)

    def test_who_is_wanted_no_more_while_it_waits_does_not_begin(self) -> None:
        self.parts.fails = 1
        self.duty.want(True)
        self.duty.want(False)
        self.clock.advance(RETRY)
        self.assertFalse(self.duty.is_serving)
        self.assertNotIn("serve", self.told())

    def test_who_is_wanted_again_while_it_ends_begins_again(self) -> None:
        self.duty.want(True)
        self.parts.leaving = Deferred()
        self.duty.want(False)
        self.duty.want(True)
        self.told()
        self.parts.leaving.callback(None)
        self.assertEqual(self.told(), ["take", "serve", "log", "decide"])

    def test_its_end_is_waited_for(self) -> None:
        self.duty.want(True)
        self.parts.leaving = Deferred()
        over = Deferred.fromCoroutine(self.duty.over())
        self.assertNoResult(over)
        self.parts.leaving.callback(None)
        self.successResultOf(over)

    def test_the_only_router_keeps_the_address(self) -> None:
        alone = Alone(self.made(moves=True, keeps=True))
        alone.prepared()
        self.assertEqual(self.told(), [])
        alone.startService()
        alone.prepared()
        self.assertIn("serve", self.told())
        self.successResultOf(Deferred.fromCoroutine(alone.stopService()))
        self.assertNotIn("leave", self.told())

    def test_who_has_the_address_serves(self) -> None:
        ours = False
        standing = ByAddress(self.clock, self.made(moves=False), lambda: ours)
        standing.startService()
        standing.prepared()
        self.assertEqual(self.told(), [])
        ours = True
        self.clock.advance(1)
        self.assertEqual(self.told(), ["announce", "serve", "log", "decide"])
        ours = False
        self.clock.advance(1)
        self.assertEqual(self.told()[0], "rest")
        self.successResultOf(Deferred.fromCoroutine(standing.stopService()))
        self.assertEqual(self.clock.getDelayedCalls(), [])
