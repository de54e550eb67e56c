"""Members' own certificates in the whole daemon: what looks at them, and who hears of them."""

from __future__ import annotations

import json
from typing import Any

from attrs import evolve

from tests.certificates import DAY, Issued, issue
from tests.unit.assembled import AssembledCase
from webspaced.assembly import build as assembly
from webspaced.assembly import publishing
from webspaced.webspaces.certificates import LOOK

DOMAIN = "own.example"
PATH = f"self/domains/{DOMAIN}"
MONDAY = 20_000 * DAY


class CertificateTests(AssembledCase):
    def setUp(self) -> None:
        self.time = MONDAY
        this_host = assembly.this_host
        self.patch(assembly, "this_host", lambda *given: evolve(this_host(*given), now=lambda: self.time))

    def put(self, issued: Issued) -> None:
        self.create()
        self.domains(DOMAIN)
        self.assertEqual(self.ask("POST", PATH)[0], 201)
        body = {"certificate": issued.pem, "key": issued.key}
        self.assertEqual(self.ask("PUT", f"{PATH}/certificate", body)[0], 201)

    def conditions(self) -> list[Any]:
        return [each["kind"] for each in self.ask("GET", "self")[1].get("conditions", ())]

    def test_its_end_is_seen_by_the_time_of_day_though_nothing_happens(self) -> None:
        self.start(webspaces={"resync_interval": "24h"})
        self.put(issue(DOMAIN, ends=MONDAY + 15 * DAY))
        self.assertEqual(self.conditions(), [])
        self.time += 2 * DAY
        self.machine.run_for(LOOK + 1)
        self.assertEqual(self.conditions(), ["certificate-ends"])
        self.assertEqual([each.hosts for each in self.route().certificates], [(DOMAIN,)])

    def test_an_embedded_traefik_begins_without_the_automatic_one(self) -> None:
        self.patch(publishing, "find_traefik", lambda: "/usr/bin/traefik")
        self.start(traefik={"embedded": True, "acme": {"email": "a@example.org"}, "settle_time": "100ms"})
        self.put(issue(DOMAIN, ends=MONDAY + 300 * DAY))
        path = self.folder / "data" / "traefik" / "acme.json"
        others = [{"domain": {"main": "x.example"}, "key": "k"}, {"domain": {"main": "y.example", "sans": ["z.example"]}}]
        mine = [{"domain": {"main": DOMAIN}}, {"domain": {"main": "w.example", "sans": [DOMAIN]}}]
        account = {"Registration": {"uri": "https://ca.example/1"}}
        path.write_text(json.dumps({"default": {"Account": account, "Certificates": [*mine, *others]}, "other": None}))
        self.machine.run_for(LOOK + 1)
        self.assertEqual(self.conditions(), ["certificate-doubled"])
        traefik = self.daemon._parts.traefik
        traefik._run_once()
        self.machine.run_for(LOOK + 1)
        self.assertEqual(self.conditions(), [])
        left = {"default": {"Account": account, "Certificates": others}, "other": None}
        self.assertEqual((json.loads(path.read_text()), path.stat().st_mode & 0o777), (left, 0o600))
        for broken in ("", "[]", '{"default": {"Certificates": [1]}}'):
            path.write_text(broken)
            traefik._run_once()
            self.assertEqual((path.read_text(), traefik.automatic.hosts()), (broken, frozenset()))
        path.unlink()
        traefik._run_once()
        self.assertFalse(path.exists())
