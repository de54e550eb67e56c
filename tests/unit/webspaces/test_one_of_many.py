"""One instance that LXD cannot answer for ends no pass; an LXD that is away does."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from tests.contracts.fake_instances import NIC
from tests.unit.timing import watch
from tests.unit.webspaces.test_registry import RegistryCase
from tests.unit.world import RULE
from webspaced.core.instance import InstanceState
from webspaced.errors import Unavailable
from webspaced.webspaces.addressing import ADDRESS_BUDGET, FIRST_BUDGET
from webspaced.webspaces.ownership import Ownership


class OneOfManyTests(RegistryCase):
    def setUp(self) -> None:
        super().setUp()
        for uid in (1, 2, 3):
            self.put(uid, running=True)
        self.asked: list[str] = []
        self.silent: set[str] = {"ws-u2"}
        self.really, self.lxd.state = self.lxd.state, self.state
        self.there = True
        self.registry.is_there = lambda: self.there
        self.registry.prepare(NIC, RULE, Ownership(NIC, self.lxd))

    async def state(self, name: str, project: str = "") -> InstanceState:
        self.asked.append(name)
        if name in self.silent:
            message = "503 for this one"
            raise Unavailable(message)
        return await self.really(name, project)

    def by_hearsay(self) -> None:
        self.registry.prepare(NIC, RULE, Ownership(NIC))

    def test_the_others_addresses_are_read_and_the_next_round_begins_at_the_first(self) -> None:
        self.sync()
        for _ in range(2):
            self.asked.clear()
            self.clock.result_of(self.registry.read_addresses())
            self.assertEqual(self.asked, ["ws-u1", "ws-u2", "ws-u3"])

    def test_an_lxd_that_is_away_ends_the_round_and_the_next_one_goes_on_there(self) -> None:
        self.sync()
        self.there = False
        self.assertRaises(Unavailable, self.clock.result_of, self.registry.read_addresses())
        self.there, self.silent = True, set()
        self.asked.clear()
        self.clock.result_of(self.registry.read_addresses())
        self.assertEqual(self.asked, ["ws-u2", "ws-u3", "ws-u1"])

    def test_the_first_pass_is_complete_where_nobody_but_containers_can_be_asked(self) -> None:
        self.by_hearsay()
        self.lxd.put("builder", running=True)
        self.silent.add("builder")
        self.sync()
        self.assertTrue(self.registry.complete)
        self.assertEqual([self.address(uid) for uid in (1, 2, 3)], ["10.7.0.10", None, "10.7.0.12"])

    def test_it_is_not_where_lxd_goes_away_within_it(self) -> None:
        self.by_hearsay()
        self.there = False
        self.assertRaises(Unavailable, self.sync)
        self.assertFalse(self.registry.complete)

    def test_many_that_never_answer_keep_nobody_from_the_first_answer(self) -> None:
        async def never(name: str, project: str = "") -> InstanceState:
            return await (Deferred() if name.startswith("builder") else self.really(name, project))

        self.by_hearsay()
        self.lxd.state = never
        for number in range(80):
            self.lxd.put(f"builder{number}", running=True)
        syncing = watch(self.registry.sync())
        self.clock.run_for(FIRST_BUDGET + ADDRESS_BUDGET)
        self.assertTrue(syncing.done)
        self.assertTrue(self.registry.complete)
