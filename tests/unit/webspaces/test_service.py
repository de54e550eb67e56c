"""What a member may do, and what is left when it fails."""

from __future__ import annotations

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.fake_instances import FINGERPRINT
from tests.unit.timing import watch
from tests.unit.world import EXTERNAL, MEMBERS, SETTLE, World, keys_of
from webspaced.core.creation import Step
from webspaced.core.forward import Forward
from webspaced.core.instance import NewInstance, Status
from webspaced.core.proxy_protocol import ProxyProtocol
from webspaced.core.user import User
from webspaced.core.webspace import BOOT_PORT_KEY, KEY, USERNAME_KEY
from webspaced.errors import Conflict, Invalid, NotFound, RemoteError, Unavailable
from webspaced.webspaces.images import FRESH, KEPT

ALICE = User(id=1, username="alice")


class ServiceCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.w = World().start()

    def do(self, work: object) -> object:
        return self.w.clock.result_of(work)

    def fails(self, kind: type[Exception], work: object) -> str:
        return str(self.assertRaises(kind, self.w.clock.result_of, work))

    def create(self, uid: int = 1, image: str = "fast") -> object:
        return self.w.service.create(User(id=uid, username=MEMBERS[uid]), image)


class QueueTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.w = World(max_concurrent=2).start()
        self.creating = [watch(self.w.service.create(User(id=uid, username=MEMBERS[uid]), "fast")) for uid in MEMBERS]

    def step(self, uid: int) -> Step:
        return self.w.creator.creations.get(uid).progress.step

    def test_few_are_made_at_the_same_time_and_the_others_say_that_they_wait(self) -> None:
        self.w.clock.run_for(0.05)
        self.assertEqual([name for name, _ in self.w.lxd.calls].count("create"), 2)
        self.assertEqual([self.step(uid) for uid in MEMBERS], [Step.UNPACK] * 2 + [Step.WAIT] * 2)
        self.w.clock.run_for(20)
        self.assertEqual([each.value.user for each in self.creating], list(MEMBERS))

    def test_who_gives_up_waiting_leaves_its_place_and_nothing_else(self) -> None:
        self.w.clock.run_for(0.05)
        self.creating[2].deferred.cancel()
        self.w.clock.run_for(20)
        self.assertIsInstance(self.creating[2].error, CancelledError)
        self.assertEqual(self.creating[3].value.user, 4)
        self.assertEqual(sorted(self.w.lxd.containers), ["ws-u1", "ws-u2", "ws-u4"])


class ImagesTests(ServiceCase):
    def asked(self) -> int:
        return [name for name, _ in self.w.lxd.calls].count("images")

    def test_one_request_serves_all_and_is_good_for_a_moment(self) -> None:
        asking = [watch(self.w.service.images()) for _ in range(300)]
        self.w.clock.run_for(1)
        self.assertEqual({len(each.value) for each in asking}, {1})
        self.do(self.w.service.images())
        self.assertEqual(self.asked(), 1)
        self.w.clock.run_for(KEPT)
        self.do(self.w.service.images())
        self.assertEqual(self.asked(), 2)

    def test_a_failure_is_nobodys_later(self) -> None:
        self.w.lxd.fail_next("images", RemoteError("broken", 500))
        self.fails(RemoteError, self.w.service.images())
        self.assertTrue(self.do(self.w.service.images()))

    def test_what_is_not_there_is_looked_for_again_but_not_by_everybody(self) -> None:
        self.do(self.w.service.images())
        self.w.clock.run_for(FRESH)
        for uid in MEMBERS:
            self.fails(NotFound, self.create(uid, "nothing"))
        self.assertEqual(self.asked(), 2)


class StateTests(ServiceCase):
    def test_who_asks_at_once_shares_what_lxd_says_from_then_on(self) -> None:
        self.do(self.create())
        self.w.lxd.calls.clear()
        asking = [watch(self.w.service.state(1)) for _ in range(100)]
        self.w.clock.run_for(1)
        self.assertEqual({each.value[1].status for each in asking}, {Status.STOPPED})
        self.assertEqual([name for name, _ in self.w.lxd.calls].count("state"), 2)


class CreateTests(ServiceCase):
    def test_is_stopped_complete_and_has_a_route(self) -> None:
        webspace = self.do(self.create())
        self.assertEqual(webspace.user, 1)
        container = self.w.lxd.containers["ws-u1"]
        self.assertIs(container.status, Status.STOPPED)
        self.assertEqual((container.config[USERNAME_KEY], container.config[BOOT_PORT_KEY]), ("alice", "20000"))
        self.w.clock.run_for(1)
        self.assertEqual(self.w.store.backend("ws-u1"), "127.0.0.1:20000")
        self.assertEqual(self.do(self.w.service.read(1)), webspace)

    def test_by_fingerprint_or_alias_and_by_nothing_else(self) -> None:
        self.do(self.create(1, FINGERPRINT))
        self.do(self.create(2, "fast"))
        self.assertIn("'slow'", self.fails(NotFound, self.create(3, "slow")))

    def test_one_that_is_there_is_a_conflict(self) -> None:
        self.do(self.create())
        self.fails(Conflict, self.create())

    def test_two_at_once_give_one_webspace_and_one_conflict(self) -> None:
        one, two = watch(self.create()), watch(self.create())
        self.w.clock.run_for(5)
        self.assertEqual(one.value.user, 1)
        self.assertIsInstance(two.error, Conflict)
        self.assertIn("ws-u1", self.w.lxd.containers)

    def test_an_instance_that_cannot_be_read_is_in_the_way_too(self) -> None:
        self.w.lxd.put("ws-u1")
        self.fails(Conflict, self.create())
        self.assertIn("ws-u1", self.w.lxd.containers)

    def test_what_a_failed_creation_left_is_removed(self) -> None:
        async def half(new: NewInstance, _told: object) -> None:
            self.w.lxd.put(new.name, **new.config)
            raise RemoteError("disk full", 400)

        self.w.lxd.create = half
        self.assertIn("disk full", self.fails(RemoteError, self.create()))
        self.assertEqual(self.w.lxd.containers, {})
        self.w.clock.run_for(1)
        self.assertEqual(self.w.store.routes, {})

    def test_somebody_elses_of_the_same_name_is_never_removed(self) -> None:
        async def late_clash(new: NewInstance, _told: object) -> None:
            self.w.lxd.put(new.name, **keys_of(1, boot_port=20040))
            raise RemoteError("already exists", 400)

        self.w.lxd.create = late_clash
        self.fails(RemoteError, self.create())
        self.assertIn("ws-u1", self.w.lxd.containers)
        self.assertEqual(self.w.calls("delete"), [])

    def test_one_without_keys_of_the_same_name_is_never_removed(self) -> None:
        creating = watch(self.create())
        self.w.clock.run_for(0.05)
        self.w.lxd.put("ws-u1")
        self.w.clock.run_for(5)
        self.assertIsInstance(creating.error, RemoteError)
        self.assertEqual(self.w.calls("delete"), [])

    def test_lxd_away_in_the_middle_gives_its_error_and_frees_the_way(self) -> None:
        creating = watch(self.create())
        self.w.clock.run_for(0.05)
        self.w.lose_lxd()
        self.assertIsInstance(creating.error, Unavailable)
        self.w.regain_lxd()
        self.do(self.create())

    def test_lxd_away_after_an_event_told_of_it(self) -> None:
        lxd = self.w.lxd

        async def create(new: NewInstance, _told: object) -> None:
            lxd._create(new)
            await lxd._pass(0.2)

        self.patch(lxd, "create", create)
        creating = watch(self.create())
        self.w.clock.run_for(0.05)
        self.assertTrue(self.w.seen(1).unfinished)
        self.w.lose_lxd()
        self.assertIsInstance(creating.error, Unavailable)
        self.w.regain_lxd()
        self.w.clock.run_for(5)
        self.assertEqual((lxd.containers, self.w.listeners.boot_ports), ({}, {}))

    def test_a_failed_creation_gives_its_boot_port_back(self) -> None:
        self.w.lxd.fail_next("create", RemoteError("no", 400))
        self.fails(RemoteError, self.create())
        self.do(self.create())
        self.assertEqual(self.w.seen(1).boot_port, 20000)


class DeleteTests(ServiceCase):
    def test_nothing_of_it_is_left(self) -> None:
        self.do(self.create())
        self.do(self.w.service.add_port(1, 49152, Forward(22)))
        self.w.lxd.power_on("ws-u1")
        self.w.clock.run_for(5)
        self.do(self.w.service.delete(1))
        self.w.clock.run_for(1)
        self.assertEqual((self.w.lxd.containers, self.w.store.routes), ({}, {}))
        self.assertEqual((self.w.listeners.forwards[1], self.w.listeners.boot_ports), ({}, {}))
        self.fails(NotFound, self.w.service.read(1))

    def test_what_is_not_there(self) -> None:
        self.fails(NotFound, self.w.service.delete(1))

    def test_one_that_lxd_cannot_delete_is_served_on(self) -> None:
        self.do(self.create())
        self.w.lxd.fail_next("delete", *[RemoteError("busy", 400)] * 100)
        self.fails(RemoteError, self.w.service.delete(1))
        self.w.clock.run_for(1)
        self.assertEqual(self.w.store.backend("ws-u1"), "127.0.0.1:20000")
        self.w.lxd.fail_no_more()
        self.do(self.w.service.delete(1))

    def test_one_that_a_start_under_way_brings_up_again_is_deleted_all_the_same(self) -> None:
        self.do(self.create())
        deleting = watch(self.w.service.delete(1))
        self.w.clock.run_for(SETTLE)
        self.w.lxd.power_on("ws-u1")
        self.w.clock.run_for(5)
        self.assertIsNone(deleting.value)
        self.assertEqual(self.w.lxd.containers, {})

    def test_a_new_one_gets_neither_the_port_nor_the_visitors_of_the_old(self) -> None:
        self.do(self.create(1))
        self.do(self.w.service.delete(1))
        self.do(self.create(2))
        self.assertNotEqual(self.w.seen(2).boot_port, 20000)


class ConfigTests(ServiceCase):
    def setUp(self) -> None:
        super().setUp()
        self.do(self.create())

    def test_gives_the_old_one_and_changes_what_is_named(self) -> None:
        old = self.do(self.w.service.set_config(1, {"httpPort": 8080}))
        self.assertEqual(old.http_port, 80)
        config = self.do(self.w.service.read(1)).config
        self.assertEqual((config.http_port, config.startup_delay), (8080, 3.0))

    def test_a_mistake_writes_nothing(self) -> None:
        before = dict(self.w.lxd.containers["ws-u1"].config)
        for patch in ({"httpPort": 0}, {"x": 1}, {"startupDelay": 61}):
            self.fails(Invalid, self.w.service.set_config(1, patch))
        self.assertEqual(self.w.lxd.containers["ws-u1"].config, before)

    def test_the_state_is_lxds(self) -> None:
        observed, state = self.do(self.w.service.state(1))
        self.assertEqual((observed.uid, state.status), (1, Status.STOPPED))

    def test_images(self) -> None:
        self.assertEqual([image.fingerprint for image in self.do(self.w.service.images())], [FINGERPRINT])


class PortTests(ServiceCase):
    def setUp(self) -> None:
        super().setUp()
        for uid in (1, 2):
            self.do(self.create(uid))

    def ports(self, uid: int = 1) -> dict[int, int]:
        return dict(self.do(self.w.service.read(uid)).ports)

    def test_a_wanted_one_is_bound_before_it_is_written(self) -> None:
        self.do(self.w.service.add_port(1, 49152, Forward(22)))
        self.assertEqual((self.ports(), self.w.listeners.forwards[1]), ({49152: 22}, {49152: 22}))
        self.w.listeners.taken.add(49153)
        self.fails(Conflict, self.w.service.add_port(1, 49153, Forward(22)))
        self.assertEqual(self.ports(), {49152: 22})

    def test_whether_the_container_is_told_of_visitors_reaches_the_listeners(self) -> None:
        self.do(self.w.service.add_port(1, 49152, Forward(22, ProxyProtocol.V1)))
        self.assertEqual(self.w.listeners.proxied[1], {49152: 1})
        self.do(self.w.service.add_random_port(1, Forward(23, ProxyProtocol.V2)))
        self.assertEqual(self.w.listeners.proxied[1], {49152: 1, 49153: 2})
        self.do(self.w.service.change_port(1, 49152, {"proxy_protocol": None}))
        self.assertEqual(self.w.listeners.proxied[1], {49153: 2})
        more = {"proxy_protocol": ProxyProtocol.V1}
        self.assertIn("49154", self.fails(NotFound, self.w.service.change_port(1, 49154, more)))
        self.fails(NotFound, self.w.service.change_port(3, 49152, more))

    def test_what_somebody_has_is_a_conflict(self) -> None:
        self.do(self.w.service.add_port(1, 49152, Forward(22)))
        for uid in (1, 2):
            self.fails(Conflict, self.w.service.add_port(uid, 49152, Forward(23)))
        self.assertEqual((self.ports(1), self.ports(2)), ({49152: 22}, {}))

    def test_two_who_want_the_same_at_once(self) -> None:
        one, two = (watch(self.w.service.add_port(uid, 49152, Forward(22))) for uid in (1, 2))
        self.w.clock.run_for(5)
        self.assertEqual([(each.results[0] is None) for each in (one, two)].count(True), 1)
        self.assertEqual(len(self.ports(1)) + len(self.ports(2)), 1)

    def test_outside_the_range(self) -> None:
        for port in (EXTERNAL.start - 1, EXTERNAL.stop):
            self.assertIn("49152 to 49161", self.fails(Invalid, self.w.service.add_port(1, port, Forward(22))))

    def test_the_bound_per_webspace(self) -> None:
        for n in range(3):
            self.do(self.w.service.add_port(1, EXTERNAL[n], Forward(22)))
        self.assertIn("at most 3", self.fails(Invalid, self.w.service.add_port(1, EXTERNAL[3], Forward(22))))
        self.assertIn("at most 3", self.fails(Invalid, self.w.service.add_random_port(1, Forward(22))))
        self.assertEqual(self.w.listeners.reserved, set())

    def test_a_random_one_passes_over_what_this_machine_uses(self) -> None:
        self.w.listeners.taken |= {49152, 49153}
        self.assertEqual(self.do(self.w.service.add_random_port(1, Forward(22))), 49154)
        self.assertEqual(self.ports(), {49154: 22})

    def test_no_random_one_is_left(self) -> None:
        self.w.listeners.taken |= set(EXTERNAL)
        self.fails(Conflict, self.w.service.add_random_port(1, Forward(22)))

    def test_a_failed_write_lets_the_port_go(self) -> None:
        self.w.lxd.fail_next("configure", RemoteError("no", 500))
        self.fails(RemoteError, self.w.service.add_port(1, 49152, Forward(22)))
        self.assertEqual(self.w.listeners.reserved, set())
        self.do(self.w.service.add_port(2, 49152, Forward(22)))

    def test_removing(self) -> None:
        self.do(self.w.service.add_port(1, 49152, Forward(22)))
        self.fails(NotFound, self.w.service.remove_port(2, 49152))
        self.do(self.w.service.remove_port(1, 49152))
        self.fails(NotFound, self.w.service.remove_port(1, 49152))
        self.assertEqual((self.ports(), self.w.listeners.forwards[1]), ({}, {}))

    def test_of_a_webspace_that_is_not_there(self) -> None:
        for work in (self.w.service.add_port(3, 49152, Forward(22)), self.w.service.add_random_port(3, Forward(22))):
            self.fails(NotFound, work)
        self.assertEqual(self.w.listeners.reserved, set())

    def test_the_key_keeps_the_contracts_shape(self) -> None:
        self.do(self.w.service.add_port(1, 49152, Forward(22)))
        self.assertIn('"ports":{"49152":22}', self.w.lxd.containers["ws-u1"].config[KEY])
