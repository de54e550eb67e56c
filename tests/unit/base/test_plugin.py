"""How a service beside the daemon is made of its settings."""

# ruff: noqa: RUF009 - attrs fields, declared by functions that ruff does not know

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs
from twisted.application.service import IService, IServiceMaker, Service
from twisted.internet.testing import MemoryReactorClock
from twisted.logger import capturedLogs, formatEvent
from twisted.plugin import getPlugins
from twisted.trial.unittest import SynchronousTestCase

from webspaced.base import plugin
from webspaced.base.application import Application
from webspaced.base.plugin import ServiceOptions, make_service
from webspaced.errors import Unavailable
from webspaced.images import tap as images
from webspaced.settings import Address, Schema
from webspaced.settings.fields import secret
from webspaced.settings.kinds import SECRET
from webspaced.settings.service import ServiceSettings, operators_address


@attrs.frozen(kw_only=True)
class SomeSettings(ServiceSettings):
    """The settings of some service."""

    operators_address: Address = operators_address(1234)
    token: str | None = secret(SECRET, "What opens it.")


SCHEMA = Schema(SomeSettings, name="some", prefix="SOME_")


class Unstartable(Service):
    def startService(self) -> None:
        raise Unavailable("there is no room")


class MakeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.patch(plugin, "go_by_monotonic_time", lambda _reactor: None)
        self.built: list[SomeSettings] = []
        self.path = Path(self.mktemp())

    def make(self, text: str, services: Sequence[IService] = ()) -> Any:
        self.path.write_text(text)
        options = ServiceOptions()
        options.parseOptions(["--config", str(self.path)])

        def build(_reactor: object, settings: SomeSettings) -> Sequence[IService]:
            self.built.append(settings)
            return services

        return make_service(MemoryReactorClock(), options, SCHEMA, build)

    def test_it_is_built_of_its_settings(self) -> None:
        self.assertIsInstance(self.make("log_level: debug\n"), Application)
        self.assertEqual([each.log_level for each in self.built], ["debug"])

    def test_variables_go_before_the_file(self) -> None:
        self.patch(os, "environ", {"SOME_LOG_FORMAT": "json", "WSD_LOG_FORMAT": "text"})
        self.make("log_format: text\n")
        self.assertEqual(self.built[0].log_format, "json")

    def test_a_mistake_ends_the_start(self) -> None:
        ended = self.assertRaises(SystemExit, self.make, "nonsense: 1\nlog_level: loud\n")
        self.assertIn("nonsense: unknown key", str(ended))
        self.assertIn("log_level: must be one of", str(ended))
        self.assertEqual(self.built, [])

    def test_a_file_with_a_secret_that_others_may_read_is_named(self) -> None:
        self.path.touch()
        self.path.chmod(0o644)
        with capturedLogs() as logs:
            self.make("token: hushhush\n")
        said = [formatEvent(event) for event in logs]
        self.assertTrue(any(str(self.path) in text and "secret" in text for text in said), said)
        self.assertNotIn("hushhush", repr(self.built[0]))

    def test_what_cannot_start_ends_the_process_with_a_line(self) -> None:
        service = self.make("", [Unstartable()])
        ended = self.assertRaises(SystemExit, service.startService)
        self.assertEqual(str(ended), "there is no room")

    def test_twistd_knows_the_plugins(self) -> None:
        makers = {maker.tapname: maker for maker in getPlugins(IServiceMaker)}
        self.assertIs(makers["webspaced-images"].options, images.Options)
