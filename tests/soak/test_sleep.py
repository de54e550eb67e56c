"""10,000 requests at random moments around those in which webspaces fall asleep, through a real Traefik (``make soak``).

``WEBSPACED_TEST_SOAK_REQUESTS`` changes how many.
"""

from __future__ import annotations

import os
from typing import Any, ClassVar

from tests.dozing import FALLS_ASLEEP, Crowd
from tests.stack import Stack, StackCase

WEBSPACES = 40
REQUESTS = int(os.environ.get("WEBSPACED_TEST_SOAK_REQUESTS", "10000"))


class ManyTests(StackCase):
    webspaces: ClassVar[Any] = {"sleep": FALLS_ASLEEP}
    timeout = 7200

    def make_stack(self) -> Stack:
        stack = super().make_stack()
        stack.members = {uid: f"member{uid}" for uid in range(1, WEBSPACES + 1)}
        return stack

    def test_nobody_is_lost(self) -> None:
        crowd = Crowd(self.stack, list(self.stack.members.values()))
        self.addCleanup(crowd.close)
        crowd.prepare()
        self.assertEqual(crowd.come(REQUESTS // WEBSPACES), [])
        dozes = self.stack.log().count("is dozing now")
        print(f"{REQUESTS} requests, {dozes} dozes")  # noqa: T201
        self.assertGreater(dozes, REQUESTS / 20)
