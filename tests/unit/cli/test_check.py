"""What a check finds, and what it says is to be done."""

from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from webspaced.cli import checkup
from webspaced.cli.check import give_findings
from webspaced.cli.checkup import CHECKS, FAULT, FINE, REMEDIES, WARNING, Finding, examine
from webspaced.errors import Unavailable


class CheckTests(SynchronousTestCase):
    def test_each_has_a_remedy(self) -> None:
        self.assertEqual(CHECKS.keys(), REMEDIES.keys())

    def examined(self, **checks: Any) -> list[Finding]:
        self.patch(checkup, "CHECKS", checks)
        settings: Any = None
        clock = Clock()
        looking = Deferred.fromCoroutine(examine(clock, settings, None))
        clock.advance(checkup.LIMIT + 1)
        return list(self.successResultOf(looking))

    def test_one_that_fails_or_hangs_ends_no_other(self) -> None:
        async def failing(*_: Any) -> Any:
            raise Unavailable("LXD cannot be reached")
            yield

        async def hanging(*_: Any) -> Any:
            await Deferred()
            yield

        async def well(*_: Any) -> Any:
            yield Finding(what="iam", level=FINE, told="answers")

        found = self.examined(lxd=failing, dns=hanging, iam=well)
        self.assertEqual([(each.what, each.level) for each in found], [("lxd", FAULT), ("dns", FAULT), ("iam", FINE)])
        self.assertEqual((found[0].told, found[0].remedy), ("LXD cannot be reached", REMEDIES["lxd"]))

    def test_certificates_are_told_of_before_they_end(self) -> None:
        for days, level in ((400, FINE), (10, WARNING), (-2, FAULT)):
            found = checkup._dated("lxd.tls.client_cert", datetime.now(UTC) + timedelta(days=days, hours=1))
            self.assertEqual((found.level, bool(found.remedy)), (level, level != FINE))

    def test_what_the_daemon_says_of_itself(self) -> None:
        well = {"trouble": "", "ready": True, "lxd": True, "conditions": {}}
        for told, levels in (
            (well, [FINE]), ({**well, "conditions": {"paused": 2}}, [WARNING]), ({**well, "ready": False}, [FAULT]),
            ({**well, "trouble": "Traefik has no routes"}, [FAULT]), ({**well, "lxd": False}, [FAULT]),
        ):  # fmt: skip
            self.assertEqual([each.level for each in checkup._standing(told)], levels, told)

    def test_findings_for_programs(self) -> None:
        self.patch(sys, "stdout", io.StringIO())
        give_findings([Finding(what="iam", level=FINE, told="answers")], as_json=True)
        told = json.loads(sys.stdout.getvalue())  # type: ignore[attr-defined]
        self.assertEqual(told, [{"what": "iam", "level": "fine", "told": "answers", "remedy": ""}])
