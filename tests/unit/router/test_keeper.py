"""The plan as wanted state: what is read of LXD, and what is written to it and to dnsmasq's files."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.router.networks import LAN, mac, seat
from webspaced.core.instance import IPAddress
from webspaced.errors import Changed, Unavailable
from webspaced.router.deciding import AT_A_TIME
from webspaced.router.dnsmasq import Folders, Names, Offer
from webspaced.router.instances import Seen
from webspaced.router.keeper import FORGETTING, GATHERING, Keeper
from webspaced.router.lan import Lan, Span
from webspaced.router.plan import Plan, Reservation, Seat

LEASE = 100.0


class FakeInstances:
    """LXD's instances: answers at once, or when it is told to; ``error``: what it answers instead."""

    def __init__(self) -> None:
        self.seats: dict[tuple[str, str], Seat | None] = {}
        self.untold: set[tuple[str, str]] = set()
        self.error: Exception | None = None
        self.refusal: Exception | None = None
        self.kept: list[tuple[str, str]] = []
        self.asked: list[tuple[str, str] | None] = []
        self.keeping = 0
        self.slow: list[Deferred[None]] = []
        self.is_slow = False

    def put(self, *seats: Seat) -> None:
        for each in seats:
            self.seats[each.identity] = each

    async def greet(self) -> None:
        if self.error is not None:
            raise self.error

    async def all(self) -> list[Seen]:
        self.asked.append(None)
        found = [self._seen(identity) for identity in self.seats]
        await self._pause()
        return found

    async def one(self, project: str, name: str) -> Seen:
        self.asked.append((project, name))
        found = self._seen((project, name))
        await self._pause()
        return found

    async def keep(self, reservation: Reservation) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.keeping += 1
        await self._pause()
        self.kept.append((reservation.instance, str(reservation.address)))
        identity = reservation.project, reservation.instance
        before = self.seats[identity]
        assert before is not None
        self.seats[identity] = evolve(before, address=reservation.address)

    def _seen(self, identity: tuple[str, str]) -> Seen:
        return Seen(identity, self.seats.get(identity), identity in self.untold)

    async def _pause(self) -> None:
        if self.is_slow:
            waiting: Deferred[None] = Deferred()
            self.slow.append(waiting)
            await waiting


class KeeperCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.lxd = FakeInstances()
        self.folders = Folders(root=Path(self.mktemp()).absolute())
        self.folders.root.mkdir(parents=True)
        self.forgotten: list[frozenset[IPAddress]] = []
        self.told: list[tuple[Plan, Plan]] = []
        self.keeper = self.another()

    def another(self, lan: Lan = LAN) -> Keeper:
        """A router's keeper, on the same files."""
        keeper = Keeper(
            self.clock, self.lxd, lan, Names(domain="webspace"), Offer(lease=LEASE), self.folders, self.forgotten.append
        )
        keeper.told.append(lambda before, after: self.told.append((before, after)))
        keeper.startService()
        self.addCleanup(keeper.stopService)
        return keeper

    def heard(self, *seats: Seat) -> None:
        """LXD is reached, and has these instances."""
        self.lxd.put(*seats)
        self.keeper.connected()

    def changed(self, project: str, name: str) -> None:
        self.keeper.happened(project, name)
        self.clock.advance(GATHERING)

    def addresses(self) -> dict[str, str]:
        return {each.instance: str(each.address) for each in self.keeper.plan.reservations}

    def line(self, number: int) -> str:
        """What dnsmasq is told of a hardware address."""
        return (self.folders.addresses / mac(number).replace(":", "-")).read_text()


class PlanTests(KeeperCase):
    def test_nothing_is_known_before_lxd_was_heard(self) -> None:
        self.lxd.error = Unavailable("away")
        self.keeper.connected()
        self.assertFalse(self.keeper.is_known)
        self.assertFalse(self.keeper.is_usable)
        self.lxd.error = None
        self.heard()
        self.assertTrue(self.keeper.is_known)

    def test_files_are_there_when_the_pass_is_over(self) -> None:
        self.heard(seat(1, "172.24.1.7"))
        self.assertEqual(self.line(1), f"{mac(1)},172.24.1.7,[fd42::ac18:107],ws-u1,100\n")
        names = (self.folders.names / mac(1).replace(":", "-")).read_text()
        self.assertIn("172.24.1.7 ws-u1.webspace ws-u1\n", names)

    def test_only_who_decides_writes_to_lxd(self) -> None:
        self.heard(seat(1))
        self.assertEqual(self.lxd.kept, [])
        self.keeper.decides = True
        self.keeper.write_decided()
        self.assertEqual(self.lxd.kept, [("ws-u1", self.addresses()["ws-u1"])])

    def test_a_pass_over_what_is_as_wanted_writes_nothing(self) -> None:
        self.keeper.decides = True
        self.heard(seat(1), seat(2, "172.24.1.7"))
        self.keeper.connected()
        before = {path: path.stat() for path in self.folders.root.rglob("*")}
        told = len(self.told)
        self.keeper.connected()
        self.assertEqual({path: path.stat() for path in self.folders.root.rglob("*")}, before)
        self.assertEqual((len(self.lxd.kept), len(self.told)), (1, told))

    def test_an_event_is_enough(self) -> None:
        self.heard()
        self.lxd.put(seat(1, "172.24.1.7"))
        self.changed("default", "ws-u1")
        self.assertEqual(self.addresses(), {"ws-u1": "172.24.1.7"})

    def test_events_together_are_one_plan(self) -> None:
        self.heard()
        for number in (1, 2, 3):
            self.lxd.put(seat(number))
            self.keeper.happened("default", f"ws-u{number}")
        self.clock.advance(GATHERING)
        self.assertEqual([len(after.reservations) for _, after in self.told], [3])

    def test_what_lxd_does_not_tell_stays(self) -> None:
        self.heard(seat(1, "172.24.1.7"))
        self.lxd.seats["default", "ws-u1"] = None
        self.lxd.untold.add(("default", "ws-u1"))
        self.keeper.connected()
        self.changed("default", "ws-u1")
        self.assertEqual(self.addresses(), {"ws-u1": "172.24.1.7"})

    def test_somebody_elses_change_counts(self) -> None:
        self.keeper.decides = True
        self.lxd.refusal = Changed("somebody wrote", 412)
        self.heard(seat(1))
        self.lxd.refusal = None
        self.lxd.put(seat(1, "172.24.9.9"))
        self.changed("default", "ws-u1")
        self.assertEqual(self.addresses(), {"ws-u1": "172.24.9.9"})

    def test_who_gets_none_is_told_of_once(self) -> None:
        with capturedLogs() as logged:
            self.heard(seat(1, "10.0.0.1", by_nic=True))
            self.keeper.connected()
        told = [each["instance"] for each in logged if each.get("event") == "router.no-address"]
        self.assertEqual(told, ["ws-u1"])

    def test_a_mistake_of_ours_is_logged(self) -> None:
        self.lxd.error = ZeroDivisionError()
        self.keeper.connected()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)


class DecidingTests(KeeperCase):
    """What was decided, on its way to LXD."""

    def setUp(self) -> None:
        super().setUp()
        self.keeper.decides = True

    def decided(self, number: int) -> None:
        self.heard(*(seat(each) for each in range(number)))

    def test_some_are_written_at_a_time_and_all_in_the_end(self) -> None:
        self.lxd.is_slow = True
        self.lxd.put(*(seat(each) for each in range(30)))
        self.keeper.connected()
        self.lxd.slow.pop().callback(None)
        self.assertEqual(self.lxd.keeping, AT_A_TIME)
        # What is decided again meanwhile is under way already, or waits.
        self.keeper.write_decided()
        self.assertEqual(self.lxd.keeping, AT_A_TIME)
        while self.lxd.slow:
            self.lxd.slow.pop(0).callback(None)
        self.assertEqual(sorted(name for name, _ in self.lxd.kept), sorted(f"ws-u{each}" for each in range(30)))

    def test_very_many_at_once(self) -> None:
        self.decided(500)
        self.assertEqual(len(self.lxd.kept), 500)

    def test_the_event_of_it_is_no_news(self) -> None:
        self.decided(1)
        told, plan = len(self.told), self.keeper.plan
        self.changed("default", "ws-u0")
        self.assertEqual((len(self.told), len(self.lxd.kept)), (told, 1))
        self.assertIs(self.keeper.plan, plan)

    def test_who_serves_no_more_writes_none_that_wait(self) -> None:
        self.lxd.is_slow = True
        self.lxd.put(*(seat(each) for each in range(30)))
        self.keeper.connected()
        self.lxd.slow.pop().callback(None)
        self.keeper.decides = False
        while self.lxd.slow:
            self.lxd.slow.pop(0).callback(None)
        self.assertEqual(len(self.lxd.kept), AT_A_TIME)

    def test_one_that_cannot_be_written_holds_up_nobody(self) -> None:
        self.lxd.refusal = Unavailable("away")
        self.decided(30)
        self.lxd.refusal = None
        self.keeper.connected()
        self.assertEqual(len(self.lxd.kept), 30)


class BurstTests(KeeperCase):
    def test_what_takes_long_is_not_done_at_every_event(self) -> None:
        """A plan that takes a second leaves time for everything else."""
        self.heard()
        self.keeper.told.append(lambda *_plans: self.clock.advance(1.0))
        plans = len(self.told)
        for number in range(200):
            self.lxd.put(seat(number))
            self.keeper.happened("default", f"ws-u{number}")
            self.clock.advance(0.05)
        self.clock.advance(10)
        self.assertEqual(len(self.keeper.plan.reservations), 200)
        self.assertLess(len(self.told) - plans, 10)


class FileTests(KeeperCase):
    def test_what_could_not_be_written_is_with_the_next_change(self) -> None:
        self.heard()
        self.folders.addresses.rename(self.folders.root / "away")
        with capturedLogs() as logged:
            self.heard(seat(1, "172.24.1.7"))
        self.assertIn("router.files-failed", [each.get("event") for each in logged])
        self.assertEqual(self.addresses(), {"ws-u1": "172.24.1.7"})
        (self.folders.root / "away").rename(self.folders.addresses)
        self.keeper.connected()
        self.assertIn("172.24.1.7", self.line(1))

    def test_a_restart_writes_nothing_again(self) -> None:
        self.heard(seat(1, "172.24.1.7"))
        before = {path: path.stat().st_ino for path in self.folders.root.rglob("*")}
        self.keeper = self.another()
        self.keeper.connected()
        self.assertEqual({path: path.stat().st_ino for path in self.folders.root.rglob("*")}, before)


class OrderTests(KeeperCase):
    """Answers that are older than others, and come later."""

    def test_what_happens_while_all_are_read_is_looked_at_again(self) -> None:
        self.lxd.is_slow = True
        self.keeper.connected()
        self.lxd.put(seat(1, "172.24.1.7"))
        self.keeper.happened("default", "ws-u1")
        # The one answers first, and then the list, which does not have it yet.
        for waiting in (self.lxd.slow.pop(), self.lxd.slow.pop()):
            waiting.callback(None)
        while self.lxd.slow:
            self.lxd.slow.pop().callback(None)
        self.clock.advance(GATHERING)
        self.assertEqual(self.addresses(), {"ws-u1": "172.24.1.7"})

    def test_an_instance_is_asked_for_once_at_a_time_and_then_again(self) -> None:
        self.heard()
        self.lxd.is_slow = True
        for _ in range(3):
            self.keeper.happened("default", "ws-u1")
        self.assertEqual(self.lxd.asked, [None, ("default", "ws-u1")])
        self.lxd.put(seat(1, "172.24.1.7"))
        self.lxd.slow.pop().callback(None)
        self.lxd.slow.pop().callback(None)
        self.clock.advance(GATHERING)
        self.assertEqual(self.lxd.asked, [None, ("default", "ws-u1"), ("default", "ws-u1")])
        self.assertEqual(self.addresses(), {"ws-u1": "172.24.1.7"})


class RestartTests(KeeperCase):
    def test_files_of_an_earlier_run_count_until_lxd_is_heard(self) -> None:
        self.heard(seat(1, "172.24.1.7"))
        again = self.another()
        self.assertTrue(again.is_usable)
        self.assertFalse(again.is_known)

    def test_what_could_not_be_written_to_lxd_is_decided_so_again(self) -> None:
        self.keeper.decides = True
        self.lxd.refusal = Unavailable("away")
        self.heard(seat(1))
        before = self.addresses()
        self.keeper = self.another()
        self.keeper.connected()
        self.assertEqual(self.addresses(), before)
        self.assertEqual(self.keeper.resting, 0)

    def test_one_that_was_deleted_meanwhile_is_answered_no_more(self) -> None:
        self.heard(seat(1, "172.24.1.7"))
        self.lxd.seats.clear()
        self.keeper = self.another()
        self.keeper.connected()
        self.assertEqual(self.line(1), f"{mac(1)},ignore\n")
        self.assertEqual(self.keeper.resting, 1)


class RestTests(KeeperCase):
    def removed(self) -> None:
        self.heard(seat(1, "172.24.1.7"))
        del self.lxd.seats["default", "ws-u1"]
        self.changed("default", "ws-u1")

    def test_nothing_is_to_be_forgotten_while_nobody_goes(self) -> None:
        self.heard(seat(1, "172.24.1.7"))
        self.heard(seat(2))
        self.assertEqual((self.keeper.resting, self.forgotten), (0, []))

    def test_a_removed_ones_address_rests(self) -> None:
        self.removed()
        self.assertEqual((self.keeper.resting, self.forgotten), (1, []))
        self.assertEqual(self.line(1), f"{mac(1)},ignore\n")

    def test_it_is_forgotten_once_an_hour(self) -> None:
        self.removed()
        self.clock.advance(FORGETTING - 1)
        self.keeper.forget_rested()
        self.assertEqual(self.forgotten, [])
        self.clock.advance(1)
        self.keeper.forget_rested()
        self.assertEqual(self.forgotten, [{IPv4Address("172.24.1.7")}])
        self.assertEqual(self.keeper.resting, 0)
        self.assertEqual(list(self.folders.addresses.iterdir()), [])

    def test_it_is_forgotten_at_once_if_it_is_written_for_another_one(self) -> None:
        self.removed()
        self.lxd.put(seat(2, "172.24.1.7"))
        self.changed("default", "ws-u2")
        self.assertEqual(self.forgotten, [{IPv4Address("172.24.1.7")}])
        self.assertEqual(self.addresses(), {"ws-u2": "172.24.1.7"})

    @given(st.lists(st.tuples(st.sampled_from(["put", "drop"]), st.integers(1, 6)), max_size=30))
    def test_nobody_new_gets_what_dnsmasq_may_remember(self, steps: list[tuple[str, int]]) -> None:
        self.setUp()
        # So few that everybody wants the same.
        self.keeper = self.another(evolve(LAN, plan=Span.parse("172.24.1.1-172.24.1.2")))
        self.keeper.decides = True
        self.heard()
        had: dict[str, str] = {}
        for step, number in steps:
            name = f"ws-u{number}"
            if step == "put":
                self.lxd.put(seat(number))
            else:
                self.lxd.seats.pop(("default", name), None)
            self.changed("default", name)
            for instance, address in self.addresses().items():
                self.assertEqual(had.setdefault(address, instance), instance)
