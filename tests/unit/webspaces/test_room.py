"""Who is let in when there is room, and who waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import Time, Watched, watch
from tests.unit.world import World
from webspaced.errors import Momentary
from webspaced.webspaces.room import Room

MAX_WAIT = 300.0


class FakeRegistry:
    """Webspaces by uid, of which only what a room asks for is known. ``counted``: how often all were gone through."""

    def __init__(self) -> None:
        self.seen: dict[int, Any] = {}
        self.counted = 0

    def subscribe(self, listener: Callable[[int], None]) -> None:
        self.listener = listener

    def get(self, uid: int) -> Any:
        return self.seen.get(uid)

    def __iter__(self) -> Iterator[Any]:
        self.counted += 1
        return iter(list(self.seen.values()))

    def put(self, uid: int, *, lives: bool = False, location: str = "one") -> None:
        self.seen[uid] = SimpleNamespace(uid=uid, lives=lives, instance=SimpleNamespace(location=location))
        self.listener(uid)


class RoomTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Time()

    def room(self, most: int = 0) -> Room:
        self.registry = FakeRegistry()
        self.asked: list[int] = []
        room = self.made = Room(self.clock, cast(Any, self.registry), most, MAX_WAIT)
        room.wanted = lambda: self.asked.append(room.lacking)
        return room

    def enter(self, uid: int) -> Watched:
        return watch(self.made.enter(uid))

    def test_who_finds_room_asks_nobody_for_it(self) -> None:
        self.room(2)
        self.assertEqual([self.enter(uid).done for uid in (1, 2, 3)], [True, True, False])
        self.assertEqual(self.asked, [1])

    def test_with_more_room_those_come_in_who_wait(self) -> None:
        room = self.room(1)
        first, second, third = self.enter(1), self.enter(2), self.enter(3)
        room.bound(2, MAX_WAIT)
        self.assertEqual((first.done, second.done, third.done), (True, True, False))
        room.bound(0, MAX_WAIT)
        self.assertTrue(third.done)

    def test_where_memory_is_short_elsewhere_nobody_waits(self) -> None:
        room = self.room()
        self.registry.put(1, location="one")
        self.registry.put(2, location="two")
        room.short = {"one": 1}
        self.assertEqual((self.enter(1).done, self.enter(2).done), (False, True))

    def test_nobody_overtakes_who_waits_for_the_same_place(self) -> None:
        room = self.room(1)
        self.registry.put(9, lives=True)
        first, second = self.enter(1), self.enter(2)
        self.registry.put(9)
        self.assertEqual((first.done, second.done, room.lacking), (True, False, 1))
        room.leave(1)
        self.assertTrue(second.done)

    def test_all_are_counted_once_however_many_wait(self) -> None:
        self.room(1)
        self.registry.put(1, lives=True)
        for uid in range(2, 100):
            self.enter(uid)
        self.registry.counted = 0
        self.enter(100)
        self.registry.put(1, lives=True)
        self.assertEqual(self.registry.counted, 1)

    def test_one_whose_start_ends_at_once_leaves_its_place_to_one_other(self) -> None:
        room = self.room(1)
        self.registry.put(9, lives=True)
        first, others = self.enter(1), [self.enter(uid) for uid in (2, 3)]
        first.deferred.addCallback(lambda _: room.leave(1))
        self.registry.put(9)
        self.assertEqual([each.done for each in others], [True, False])

    def test_nobody_waits_for_ever(self) -> None:
        room = self.room(1)
        self.enter(1)
        late, gone = self.enter(2), self.enter(3)
        gone.deferred.cancel()
        self.clock.run_for(MAX_WAIT)
        self.assertIsInstance(late.error, Momentary)
        self.assertIsInstance(gone.error, CancelledError)
        self.assertEqual(room.lacking, 0)


class RecoveryTests(SynchronousTestCase):
    """After memory was short, no more are let in at a time than there is some for."""

    def test_those_who_waited_come_in_as_there_is_memory(self) -> None:
        w = World()
        for uid in (1, 2, 3, 4):
            w.webspace(uid)
        w.start()
        w.room.short = {"none": 1}
        waiting = [watch(w.room.enter(uid)) for uid in (1, 2, 3, 4)]
        w.room.allow("none", 2)
        w.room.short = {}
        w.room.look()
        self.assertEqual([each.done for each in waiting], [True, True, False, False])
        self.assertTrue(w.room.is_recovering("none"))
        w.room.allow("none", 5)
        w.room.look()
        self.assertEqual([each.done for each in waiting], [True] * 4)
        self.assertFalse(w.room.is_recovering("none"))
