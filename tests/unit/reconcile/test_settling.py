"""Settled is what Traefik says is in effect, and after a while what it must have taken up."""

from __future__ import annotations

from ipaddress import ip_address

from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.unit.timing import Time, Watched, watch
from tests.unit.world import FakeStore
from webspaced.core.address import Endpoint
from webspaced.core.routes import Route
from webspaced.interfaces import ITraefik
from webspaced.lib.deferreds import sleep
from webspaced.reconcile.publisher import Publisher
from webspaced.reconcile.settling import Settling

LONGEST = 2.5


@implementer(ITraefik)
class FakeTraefik:
    """Has all generations up to one; ``None`` if it does not tell."""

    def __init__(self, clock: Time) -> None:
        self.latest: int | None = 0
        self.asked: list[int] = []
        self._clock = clock

    async def has_any(self) -> bool | None:
        return None

    async def has(self, generation: int) -> bool | None:
        self.asked.append(generation)
        await sleep(self._clock, 0.001)
        return None if self.latest is None else generation <= self.latest


class SettlingCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Time()
        self.traefik = FakeTraefik(self.clock)
        self.settling = Settling(self.clock, self.traefik)

    def wait(self, generation: int | None) -> Watched:
        return watch(self.settling.wait(generation, LONGEST))


class SettlingTests(SettlingCase):
    def test_it_is_as_soon_as_traefik_has_it(self) -> None:
        waiting = self.wait(7)
        self.clock.run_for(0.3)
        self.assertFalse(waiting.done)
        self.traefik.latest = 7
        self.clock.run_for(0.06)
        self.assertTrue(waiting.done)
        # Then nobody is asked any more.
        asked = len(self.traefik.asked)
        self.clock.run_for(100)
        self.assertEqual(len(self.traefik.asked), asked)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_it_never_takes_longer_than_the_bound(self) -> None:
        with capturedLogs() as logs:
            for generation in (1, 2):
                waiting = self.wait(generation)
                self.clock.run_for(LONGEST - 0.01)
                self.assertFalse(waiting.done)
                self.clock.run_for(0.02)
                self.assertTrue(waiting.done)
        said = [formatEvent(event) for event in logs]
        self.assertEqual(len(said), 1, said)
        self.assertIn("did not take a change up within 2.5 s", said[0])

    def test_without_a_traefik_or_a_generation_it_is_after_the_bound(self) -> None:
        for settling, generation in ((Settling(self.clock, None), 7), (self.settling, None)):
            waiting = watch(settling.wait(generation, LONGEST))
            self.clock.run_for(LONGEST - 0.01)
            self.assertFalse(waiting.done)
            self.clock.run_for(0.02)
            self.assertTrue(waiting.done)
        self.assertEqual(self.traefik.asked, [])

    def test_one_that_does_not_tell_is_mentioned_once(self) -> None:
        self.traefik.latest = None
        with capturedLogs() as logs:
            for _ in range(2):
                waiting = self.wait(1)
                self.clock.run_for(LONGEST + 0.01)
                self.assertTrue(waiting.done)
            self.traefik.latest = 1
            waiting = self.wait(1)
            self.clock.run_for(0.1)
            self.assertTrue(waiting.done)
        said = [formatEvent(event) for event in logs]
        self.assertEqual(["does not tell" in said[0], "tells again" in said[1], len(said)], [True, True, 2], said)

    def test_many_who_wait_are_one_question_at_a_time(self) -> None:
        waiting = [self.wait(generation) for generation in (1, 3, 2, 2)]
        self.clock.run_for(0.5)
        self.assertEqual(set(self.traefik.asked), {1})
        self.traefik.latest = 2
        self.clock.run_for(0.1)
        self.assertEqual([each.done for each in waiting], [True, False, True, True])
        self.traefik.latest = 3
        self.clock.run_for(0.1)
        self.assertTrue(waiting[1].done)

    def test_who_leaves_stops_nobody_else(self) -> None:
        first, second = self.wait(1), self.wait(1)
        first.deferred.cancel()
        self.traefik.latest = 1
        self.clock.run_for(0.1)
        self.assertIsNone(second.value)

    def test_when_all_have_left_nobody_is_asked(self) -> None:
        self.wait(1).deferred.cancel()
        self.clock.run_for(1)
        asked = len(self.traefik.asked)
        self.clock.run_for(10)
        self.assertEqual(len(self.traefik.asked), asked)

    def test_a_bug_does_not_end_it(self) -> None:
        async def broken(_generation: int) -> bool:
            raise ValueError("a bug")

        has, self.traefik.has = self.traefik.has, broken
        waiting = self.wait(1)
        self.clock.run_for(LONGEST + 0.1)
        self.assertTrue(waiting.done)
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.traefik.has, self.traefik.latest = has, 2
        waiting = self.wait(2)
        self.clock.run_for(0.1)
        self.assertTrue(waiting.done)


class PublishedTests(SettlingCase):
    """With a publisher: who asks for a name waits for the write that changed it."""

    def test_a_change_takes_as_long_as_it_takes(self) -> None:
        store = FakeStore(self.clock)
        store.tells = True
        publisher = Publisher(self.clock, store, LONGEST, traefik=self.traefik)
        self.clock.result_of(publisher.load())
        publisher.open()
        self.clock.run_for(10)
        backend = Endpoint(ip_address("10.7.0.10"), 80)
        publisher.want("x", Route(name="x", hosts=("x.org",), backend=backend))
        settled = watch(publisher.settled("x"))
        self.clock.run_for(0.2)
        self.assertFalse(settled.done)
        self.traefik.latest = len(store.writes)
        self.clock.run_for(0.1)
        self.assertTrue(settled.done)
        self.assertEqual(set(self.traefik.asked), {len(store.writes)})
