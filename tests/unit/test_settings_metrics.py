"""What the settings of metrics do, in the whole daemon."""

from __future__ import annotations

import yaml

from tests.unit.assembled import AssembledCase
from webspaced.settings import Address, load


class MetricsTests(AssembledCase):
    def test_by_default_it_is_where_nobody_else_is(self) -> None:
        self.build()
        basic = {"webspaces": {"domain": "example.org"}, "traefik": {"provider": "file"}}
        for more, port in (
            ({}, 9094),
            ({"webspaces": {"domain": "example.org", "ports": {"start": 9000, "end": 9100}}}, None),
            ({"http": {"internal_address": "127.0.0.1:9094"}}, None),
        ):  # fmt: skip
            path = self.folder / "another.yaml"
            path.write_text(yaml.safe_dump({**basic, **more}))
            found = load(path, {}).metrics.listen_address
            self.assertEqual(None if found is None else found.port, port)

    def test_listen_address(self) -> None:
        for said, where in (("127.0.0.3:9100", Address("127.0.0.3", 9100)), ("off", None), (False, None)):
            self.start(metrics={"listen_address": said})
            self.assertEqual(self.settings.metrics.listen_address, where)
            self.assertEqual(("127.0.0.3", 9100) in self.machine.listening(), where is not None)
            self.assertEqual(self.daemon.figures is None, where is None)

    def test_per_webspace(self) -> None:
        for wanted in (False, True):
            self.start(metrics={"listen_address": "127.0.0.1:9094", "per_webspace": wanted})
            self.create()
            figures = self.daemon.figures
            text = self.machine.result_of(figures.text())  # type: ignore[union-attr]
            self.assertEqual(b'webspace="ws-u1"' in text, wanted)
