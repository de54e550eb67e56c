"""A reload: what it reaches, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.logger import LogLevel, LogLevelFilterPredicate, capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.assembled import AssembledCase
from tests.unit.object_graph import differing, held
from webspaced.errors import Invalid
from webspaced.lib.logs import set_level
from webspaced.lib.periodic import Periodic
from webspaced.network.dns import DomainRecords
from webspaced.reload.live import Live
from webspaced.settings import SCHEMA, SETTINGS
from webspaced.settings.renewal import flat

BASE: Mapping[str, Any] = {
    "iam.url": "https://iam.example.org", "iam.users_file": None, "metrics.listen_address": "127.0.0.1:9094",
}  # fmt: skip
OTHER: Mapping[str, Any] = {
    "timeouts.shutdown": "31s",
    "iam.token": "another",
    "iam.grace": "17h",
    "webspaces.max_startup_delay": 77,
    "webspaces.ip_timeout": "16s",
    "webspaces.ready_timeout": "33s",
    "webspaces.stop_timeout": "34s",
    "webspaces.install_timeout": "11m",
    "webspaces.drain_time": "1100ms",
    "webspaces.max_concurrent_boots": 7,
    "webspaces.max_running": 23,
    "webspaces.max_held": 3000,
    "webspaces.max_held_per_webspace": 300,
    "webspaces.max_per_address": 99,
    "webspaces.max_wait": "301s",
    "webspaces.relay_idle_timeout": "23h",
    "webspaces.resync_interval": "6m",
    "webspaces.reserved_names": ["mine"],
    "webspaces.waiting": "page",
    "webspaces.page_after": "2500ms",
    "webspaces.ports.max": 5,
    "webspaces.domains.max": 6,
    "webspaces.domains.resolvers": ["192.0.2.53:53"],
    "webspaces.exec.timeout": "2m",
    "webspaces.exec.max_output": 4321,
    "webspaces.exec.max_commands": 3,
    "webspaces.exec.max_terminals": 4,
    "webspaces.wake.agents_ignored": ["GoodBot"],
    "webspaces.wake.per_address": 31,
    "webspaces.sleep.doze_after": "5m",
    "webspaces.sleep.stop_after": "1h",
    "webspaces.sleep.look": "29s",
    "webspaces.sleep.least": "61s",
    "webspaces.sleep.allow": ["awake"],
    "webspaces.sleep.max_awake": "25h",
    "webspaces.sleep.wake_every": "7m",
    "webspaces.sleep.time_zone": "Asia/Tokyo",
    "webspaces.sleep.memory_low": 9,
    "webspaces.sleep.memory_high": 18,
    "webspaces.sleep.memory_pressure": 41,
    "webspaces.sleep.floors.sent": 501,
    "webspaces.sleep.floors.received": 502,
    "webspaces.sleep.floors.cpu": 1.3,
    "http.trusted_proxies": ["192.0.2.0/24"],
    "http.cors.allowed_origins": ["https://page.example.net"],
    "http.limits.per_address": 201,
    "http.limits.per_address_burst": 2001,
    "http.limits.per_user": 101,
    "http.limits.per_user_burst": 1001,
    "http.limits.connections_per_address": 100,
    "http.limits.concurrent_per_user": 33,
    "metrics.per_webspace": True,
}
"""Another value for each; what is shown elsewhere is in `ELSEWHERE`."""
ELSEWHERE = {
    # tests.unit.lxd.test_agent
    "lxd.tls.ca", "lxd.tls.server_cert", "lxd.tls.client_cert", "lxd.tls.client_key",
    # Below.
    "log_level", "webspaces.pages",
}  # fmt: skip


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {}
    for key, value in settings.items():
        *outer, last = key.split(".")
        inside = document
        for name in outer:
            inside = inside.setdefault(name, {})
        inside[last] = value
    return document


class ReachTests(AssembledCase):
    """A daemon that reloads is as one that was started with the same settings."""

    def _records(self, make_resolver: Any) -> Any:
        return DomainRecords(make_resolver)

    def built(self, settings: Mapping[str, Any]) -> Mapping[str, str]:
        return held(self.build(**nested({**BASE, **settings})))

    def reloaded(self, settings: Mapping[str, Any]) -> Mapping[str, str]:
        """Give what a daemon holds that was built by other settings, and reloads these."""
        daemon = self.build(**nested(BASE))
        live: Live = self.live
        self.write_settings(nested({**BASE, **settings}))
        live.reload()
        return held(daemon)

    def test_each_setting_that_is_said_to_be_reloaded_is_shown(self) -> None:
        self.assertEqual({key for key, about in SETTINGS.items() if about.live}, {*OTHER, *ELSEWHERE})

    def test_all(self) -> None:
        # Folders of tests, random tokens.
        chance = differing(self.built({}), self.built({}))
        after = self.built(OTHER)
        self.assertEqual(sorted(differing(self.reloaded(OTHER), after) - chance), [])

    def test_each_makes_a_difference_that_is_seen(self) -> None:
        before, again = self.built({}), self.built({})
        chance = differing(before, again)
        for key, value in OTHER.items():
            self.assertTrue(differing(before, self.built({key: value})) - chance, key)


class ReloadTests(AssembledCase):
    def setUp(self) -> None:
        self.start()

    def reload(self, settings: Mapping[str, Any]) -> Any:
        self.write_settings(nested(settings))
        return self.live.reload()

    def refused(self, settings: Mapping[str, Any]) -> str:
        """Try to reload what is wrong, and give why; all stays as it was."""
        before = held(self.daemon)
        self.write_settings(nested(settings))
        why = str(self.assertRaises(Invalid, self.live.reload))
        self.assertEqual(held(self.daemon), before)
        return why

    def test_what_has_changed_is_told_by_its_key(self) -> None:
        told = self.reload({"webspaces.max_running": 3, "webspaces.domain": "example.net"})
        self.assertEqual(told.to_json(), {"applied": ["webspaces.max_running"], "restart": ["webspaces.domain"]})
        # Until the restart it is told again, and nothing goes by it.
        told = self.live.reload()
        self.assertEqual((list(told.applied), list(told.restart)), ([], ["webspaces.domain"]))
        self.assertEqual(self.live.settings.webspaces.domain, "example.org")

    def test_what_is_wrong_changes_nothing(self) -> None:
        more = {"webspaces.max_running": 3}
        self.assertIn("webspaces.max_wait", self.refused({**more, "webspaces.max_wait": "soon"}))
        self.assertIn("memory_low", self.refused({**more, "webspaces.sleep.memory_low": 50}))
        self.assertIn("no_such_key", self.refused({**more, "webspaces.no_such_key": 1}))
        self.file.write_text("- [")
        self.assertRaises(Invalid, self.live.reload)
        self.file.unlink()
        self.assertRaises(Invalid, self.live.reload)
        self.assertEqual(self.live.settings.webspaces.max_running, 0)

    def test_nor_does_what_turns_out_to_be_wrong_after_it_was_read(self) -> None:
        pages = self.folder / "pages"
        pages.mkdir()
        (pages / "en.toml").write_text("= broken")
        self.assertIn("en.toml", self.refused({"webspaces.max_running": 3, "webspaces.pages": str(pages)}))

    def test_the_operators_pages_are_read_again(self) -> None:
        pages = self.folder / "pages"
        pages.mkdir()
        self.reload({"webspaces.pages": str(pages)})
        room = self.daemon._parts.listeners._web_means.waiting_room  # type: ignore[union-attr]
        before = room.pages  # type: ignore[union-attr]
        (pages / "style.css").write_text("body { color: pink }")
        self.assertEqual(list(self.live.reload().applied), [])
        self.assertNotEqual(room.pages, before)  # type: ignore[union-attr]

    def test_what_cannot_go_together_with_what_only_a_restart_changes(self) -> None:
        # Together they are right.
        changed = {"webspaces.ports.start": 50000, "http.trusted_proxies": ["192.0.2.1/32"]}
        told = self.reload(changed)
        self.assertEqual((list(told.applied), list(told.restart)), (["http.trusted_proxies"], ["webspaces.ports.start"]))

    def test_bounds_hold_at_once(self) -> None:
        self.reload({"webspaces.sleep.look": "3s", "webspaces.resync_interval": "7s"})
        intervals = {each._what: each._loop.interval for each in self.daemon._parts.periodic if isinstance(each, Periodic)}
        self.assertEqual(intervals["the look at who is active"], 3)
        self.assertEqual(intervals["the full pass"], 7)

    def test_nothing_to_read(self) -> None:
        self.assertIn("come from nowhere", str(self.assertRaises(Invalid, Live(self.settings).reload)))

    def test_secrets_are_told_of_by_their_key_only(self) -> None:
        secrets = {"iam.token": "the-secret"}
        with capturedLogs() as events:
            told = self.reload(secrets)
        self.assertEqual(list(told.applied), ["iam.token"])
        self.assertNotIn("the-secret", f"{told} {[formatEvent(event) for event in events]}")


class LevelTests(SynchronousTestCase):
    def test_another_level(self) -> None:
        levels = LogLevelFilterPredicate()
        for level, wanted in (("debug", LogLevel.debug), ("error", LogLevel.error), ("info", LogLevel.info)):
            set_level(levels, level)
            self.assertEqual(levels.logLevelForNamespace("webspaced.assembly.daemon"), wanted)
            self.assertEqual(levels.logLevelForNamespace("twisted.web.client.Agent"), LogLevel.warn)


class FlatTests(AssembledCase):
    def test_all_values_and_back(self) -> None:
        self.build(**nested(OTHER))
        self.assertEqual(SCHEMA.build(flat(self.settings)), self.settings)
