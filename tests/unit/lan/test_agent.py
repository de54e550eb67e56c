"""When the agent writes, what it keeps while a source is away, and when it is ready."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import IPv4Address, ip_interface
from typing import Any

from attrs import define, field
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from webspaced.errors import Unavailable
from webspaced.lan.agent import Agent
from webspaced.lan.device import Applied
from webspaced.lan.overlay import IPAddress, Overlay
from webspaced.lan.sources import Found

LOCAL, ONE, TWO = (IPv4Address(f"10.0.0.{number}") for number in (99, 1, 2))
LAN = ip_interface("10.99.0.1/24")
OVERLAY = Overlay(interface="kubelan", vni=6969, port=4789, local=LOCAL, addresses=(LAN,))


class Threads:
    """A pool whose work is done at once."""

    def callInThreadWithCallback(self, told: Any, work: Any, *words: Any) -> None:
        try:
            result = work(*words)
        except Exception:  # noqa: BLE001
            told(False, Failure())
        else:
            told(True, result)


class Reactor(MemoryReactorClock):
    def getThreadPool(self) -> Any:
        return Threads()

    def callFromThread(self, work: Any, *words: Any, **more: Any) -> None:
        work(*words, **more)


@define
class Told:
    """A source that says what it is told to."""

    known: Found | None = None
    seconds: float = 0.0
    looks: int = 0

    def found(self) -> Found | None:
        return self.known

    def age(self) -> float:
        return self.seconds

    async def look(self) -> None:
        self.looks += 1

    def stop(self) -> None:
        pass


@define
class Kernel:
    applied: list[tuple[frozenset[IPAddress], bool]] = field(factory=list)
    guarded: list[frozenset[IPAddress]] = field(factory=list)
    announced: list[tuple[str, IPAddress]] = field(factory=list)
    error: Exception | None = None
    created: bool = True

    def apply(self, overlay: Overlay, peers: Collection[IPAddress], *, only_adds: bool) -> Applied:
        if self.error is not None:
            raise self.error
        self.applied.append((frozenset(peers), only_adds))
        announce, self.created = (overlay.addresses if self.created else ()), False
        return Applied(writes=1 if announce else 0, announce=announce, on="lan", peers=len(peers))

    def guard(self, overlay: Overlay, peers: Collection[IPAddress]) -> None:
        self.guarded.append(frozenset(peers))

    def announce(self, interface: str, address: IPAddress) -> None:
        self.announced.append((interface, address))


@define
class Hook:
    told: list[Any] = field(factory=list)

    def up(self, interface: str) -> None:
        self.told.append(interface)

    def change(self, interface: str, source: str, addresses: Collection[IPAddress], *, gone: bool) -> None:
        self.told.append((source, set(addresses), gone))


class AgentTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor, self.kernel, self.hook = Reactor(), Kernel(), Hook()
        self.first, self.second = Told({"a": frozenset({ONE, LOCAL})}), Told({"b": frozenset({TWO})})

    def start(self, **more: Any) -> Agent:
        self.agent = Agent(
            self.reactor, OVERLAY, [self.first, self.second], self.kernel, self.hook, look=5.0, **more
        )
        self.agent.startService()
        self.addCleanup(self.agent.stopService)
        return self.agent

    def test_the_peers_are_those_of_all_sources_and_not_this_end(self) -> None:
        self.start()
        self.assertEqual(self.kernel.applied, [(frozenset({ONE, TWO}), False)])
        self.assertEqual(self.kernel.guarded, [frozenset({ONE, TWO})])
        self.assertIsNone(self.agent.trouble())
        self.assertTrue(self.agent.is_up)

    def test_who_is_in_two_sources_stays_until_both_have_dropped_them(self) -> None:
        self.second.known = {"b": frozenset({ONE})}
        self.start()
        self.first.known = {}
        self.agent.kick()
        self.assertEqual(self.kernel.applied[-1], (frozenset({ONE}), False))
        self.second.known = {}
        self.agent.kick()
        self.assertEqual(self.kernel.applied[-1], (frozenset(), False))

    def test_while_a_source_has_said_nothing_nobody_is_taken_off_or_kept_out(self) -> None:
        self.second.known = None
        self.start()
        self.assertEqual((self.kernel.applied, self.kernel.guarded), ([(frozenset({ONE}), True)], []))
        self.assertEqual(self.agent.trouble(), "not all peers are known yet")
        self.second.known = {}
        self.agent.kick()
        self.assertEqual((self.kernel.applied[-1], self.kernel.guarded), ((frozenset({ONE}), False), [frozenset({ONE})]))

    def test_it_looks_again_and_guards_only_upon_a_change(self) -> None:
        self.start()
        self.reactor.advance(5)
        self.reactor.advance(5)
        self.assertEqual((len(self.kernel.applied), len(self.kernel.guarded), self.first.looks), (3, 1, 3))

    def test_addresses_are_announced_three_times(self) -> None:
        self.start()
        for seconds in (0, 1.2, 1.8, 10):
            self.reactor.advance(seconds)
        self.assertEqual(self.kernel.announced, [("lan", LAN.ip)] * 3)

    def test_a_failure_is_told_and_tried_again(self) -> None:
        self.kernel.error = Unavailable("there is no device lan")
        self.start()
        self.assertEqual((self.agent.trouble(), self.agent.is_up), ("there is no device lan", False))
        self.kernel.error = None
        self.reactor.advance(5)
        self.assertEqual((self.agent.trouble(), self.agent.is_up), (None, True))
        self.assertEqual(self.agent.passes.values, {("failed",): 1, ("done",): 1})

    def test_a_mistake_of_ours_does_not_end_it(self) -> None:
        self.kernel.error = ZeroDivisionError("x")
        self.start()
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertIn("webspaced's own", str(self.agent.trouble()))
        self.kernel.error = None
        self.reactor.advance(5)
        self.assertIsNone(self.agent.trouble())

    def test_it_is_ready_with_so_many_peers_however_old_they_are(self) -> None:
        self.start(required=3)
        self.assertEqual(self.agent.trouble(), "2 of 3 peers")
        self.second.known = {"b": frozenset({TWO, IPv4Address("10.0.0.3")})}
        self.agent.kick()
        self.assertIsNone(self.agent.trouble())
        self.second.seconds = 100_000
        self.assertIsNone(self.agent.trouble())

    def test_hooks_hear_of_each_source_once(self) -> None:
        self.start()
        self.assertEqual(self.hook.told[0], "kubelan")
        self.assertCountEqual(self.hook.told[1:], [("a", {ONE, LOCAL}, False), ("b", {TWO}, False)])
        self.hook.told.clear()
        self.first.known = {"a": frozenset({LOCAL})}
        self.agent.kick()
        self.assertEqual(self.hook.told, [("a", {ONE}, True)])

    def test_its_end_writes_nothing(self) -> None:
        self.start()
        before = len(self.kernel.applied)
        self.agent.stopService()
        self.reactor.advance(60)
        self.assertEqual(len(self.kernel.applied), before)
        self.assertFalse(self.reactor.getDelayedCalls())
