"""The document that Traefik polls: what a restart begins with, and when a change counts as written."""

from __future__ import annotations

import json
import stat
from pathlib import Path

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from tests.contracts.route_store import DIRECT, route
from tests.unit.timing import Time, Watched, watch
from tests.unit.traefik.test_render import BOTH, plain
from tests.unit.world import NIC, RULE, SETTLE, World
from webspaced.core.address import Endpoint
from webspaced.lib.deferreds import sleep
from webspaced.traefik.render import render
from webspaced.traefik.served import PATIENCE, ServedStore


class ServedCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Time()
        self.path = Path(self.mktemp()) / "traefik" / "fetched.yml"
        self.store = self.started()

    def started(self) -> ServedStore:
        store = ServedStore(self.clock, self.path, BOTH, SETTLE)
        self.loaded = watch(store.load()).value
        return store

    def apply(self, *routes: object, remove: tuple[str, ...] = ()) -> Watched:
        return watch(self.store.apply({each.name: each for each in routes}, remove))

    def published(self, *routes: object) -> None:
        """Publish these before a Traefik that polls."""
        applying = self.apply(*routes)
        self.assertIsNotNone(self.store.fetch())
        self.assertTrue(applying.done)


class DocumentTests(ServedCase):
    def test_there_is_none_before_the_first_change(self) -> None:
        self.assertIsNone(self.store.fetch())
        self.apply()
        self.assertEqual(plain(self.store.fetch()), render({}, BOTH))

    def test_it_is_rendered_once_for_all_who_fetch(self) -> None:
        self.apply(route())
        self.assertIs(self.store.fetch(), self.store.fetch())


class CopyTests(ServedCase):
    """On disk lies what was fetched, not what could have been."""

    def test_what_was_not_fetched_traefik_does_not_have(self) -> None:
        self.published(route())
        self.apply(route(backend=DIRECT))
        self.started()
        self.assertEqual(self.loaded, {"ws-u1": route()})
        self.store.fetch()
        self.started()
        self.assertEqual(self.loaded, {"ws-u1": route(backend=DIRECT)})

    def test_it_is_its_owners_only_and_written_once(self) -> None:
        self.published(route())
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.path.parent.stat().st_mode), 0o700)
        before = self.path.stat().st_ino
        self.store.fetch()
        self.store = self.started()
        self.published()
        self.assertEqual(self.path.stat().st_ino, before)

    def test_one_that_cannot_be_written_stops_no_routes(self) -> None:
        self.path.parent.parent.mkdir(parents=True, exist_ok=True)
        self.path.parent.write_text("in the way")
        with capturedLogs() as events:
            self.published(route())
        self.assertEqual([event["path"] for event in events], [self.path])

    def test_a_broken_one_counts_as_none(self) -> None:
        self.path.parent.mkdir(parents=True)
        for broken in ("", "{", "[]", '{"http": 3}'):
            self.path.write_text(broken)
            self.started()
            self.assertEqual(self.loaded, {})


class WrittenTests(ServedCase):
    def test_polled_regularly_a_change_is_written_at_once(self) -> None:
        self.published(route())
        self.clock.advance(SETTLE)
        self.assertTrue(self.apply(route(backend=DIRECT)).done)

    def test_a_traefik_that_backs_off_is_waited_for(self) -> None:
        # It may still have anything, and may be slow to ask: until it has, what its routes name is in use.
        self.published(route())
        self.clock.advance(SETTLE + 0.01)
        applying = self.apply(route(backend=DIRECT))
        self.clock.advance(PATIENCE - 1)
        self.assertFalse(applying.done)
        self.store.fetch()
        self.assertTrue(applying.done)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_after_a_start_likewise(self) -> None:
        self.published(route())
        self.store = self.started()
        applying = self.apply(route(backend=DIRECT))
        self.assertFalse(applying.done)
        self.store.fetch()
        self.assertTrue(applying.done)

    def test_after_a_start_what_it_has_already_is_written(self) -> None:
        self.published(route())
        self.store = self.started()
        self.assertTrue(self.apply().done)
        self.assertIsNotNone(self.store.fetch())

    def test_back_to_what_it_has_is_written(self) -> None:
        self.published(route())
        self.clock.advance(SETTLE + 1)
        self.assertFalse(self.apply(route(backend=DIRECT)).done)
        self.assertTrue(self.apply(route()).done)

    def test_back_to_what_lay_there_at_the_start_is_a_change(self) -> None:
        self.published(route())
        self.store = self.started()
        self.published(route(backend=DIRECT))
        self.clock.advance(SETTLE + 1)
        self.assertFalse(self.apply(route()).done)

    def test_a_poll_before_anything_is_known_is_none(self) -> None:
        self.assertIsNone(self.store.fetch())
        self.assertFalse(self.apply(route()).done)

    def test_a_clock_that_is_set_back_is_no_poll(self) -> None:
        self.clock.advance(100)
        self.published(route())
        self.clock.rightNow = 50.0
        self.assertFalse(self.apply(route(backend=DIRECT)).done)

    def test_without_a_traefik_nothing_counts_as_taken_up_and_that_is_said_once(self) -> None:
        with capturedLogs() as events:
            applying = self.apply(route())
            self.clock.pump([PATIENCE] * 20)
            # A Traefik that cannot reach us goes on by what it has.
            self.assertFalse(applying.done)
        self.assertEqual(len(events), 1)
        self.store.fetch()
        self.assertTrue(applying.done)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(SETTLE + 1)
        self.assertFalse(self.apply(route(backend=DIRECT)).done)

    def test_after_closing_nothing_is_waited_for(self) -> None:
        applying = self.apply(route())
        self.store.close()
        self.assertTrue(applying.done)
        self.assertTrue(self.apply(route(backend=DIRECT)).done)
        self.assertEqual(self.clock.getDelayedCalls(), [])


class RestartTests(SynchronousTestCase):
    """The whole of webspaced around it: Traefik keeps polling, and each start is a new webspaced over the same LXD."""

    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "fetched.yml"
        self.backends: list[str] = []
        self.first = self.world(World())
        self.first.webspace(1)
        self.first.webspace(2)
        self.first.start()
        self.first.clock.result_of(self.first.ready(1))
        self.first.clock.run_for(5)
        self.assertEqual(self.backends[-1], "10.7.0.10:80")

    def world(self, world: World) -> World:
        store = ServedStore(world.clock, self.path, BOTH, SETTLE)
        world.publisher._store = store

        def poll() -> None:
            document = store.fetch()
            if document is not None:
                services = json.loads(document)["http"].get("services", {})
                if "ws-u1" in services:
                    backend = services["ws-u1"]["loadBalancer"]["servers"][0]["url"].removeprefix("http://")
                    if self.backends[-1:] != [backend]:
                        self.backends.append(backend)
            world.clock.callLater(SETTLE / 3, poll)

        poll()
        return world

    def second(self) -> World:
        world = World()
        world.clock.advance(self.first.clock.seconds())
        self.world(world)
        for name, container in self.first.lxd.containers.items():
            world.lxd.containers[name] = container
        ask = world.probe.accepts

        async def slowly(endpoint: Endpoint, timeout: float) -> bool:
            await sleep(world.clock, 2.0)
            return await ask(endpoint, timeout)

        # It takes a while until the ports of all running webspaces were asked.
        world.probe.accepts = slowly
        return world

    def test_a_direct_route_does_not_flap(self) -> None:
        self.assertEqual(self.backends, ["127.0.0.1:20001", "10.7.0.10:80"])
        second = self.second().start()
        second.clock.run_for(20)
        self.assertEqual(self.backends, ["127.0.0.1:20001", "10.7.0.10:80"])

    def test_without_the_copy_it_goes_through_webspaced_once_and_back(self) -> None:
        self.path.unlink()
        second = self.second().start()
        second.clock.run_for(20)
        self.assertEqual(self.backends[2:], ["127.0.0.1:20001", "10.7.0.10:80"])

    def test_one_that_ended_meanwhile_leads_to_its_boot_port(self) -> None:
        second = self.second()
        self.first.clock.result_of(self.first.lxd.stop("ws-u1", 5, force=True))
        second.start()
        second.clock.run_for(20)
        self.assertEqual(self.backends[2:], ["127.0.0.1:20001"])

    def test_numbers_that_traefik_still_has_rest(self) -> None:
        second = self.second()
        del second.lxd.containers["ws-u2"]
        second.registry.prepare(NIC, RULE, second.ownership)
        named = second.clock.result_of(second.publisher.load())
        self.assertIn(20002, [backend.port for backend in named])


