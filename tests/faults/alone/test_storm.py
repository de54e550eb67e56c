"""Everything at once, for a while; then all must be as it should be."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.client import HTTPException

from harness.saying import CannotGoOn
from tests.stack import MEMBERS, Stack, StackCase, wait_until

SECONDS = 20
FAR_BEYOND = "no request may be answered by another member's webspace"


class StormTests(StackCase):
    def test_members_visitors_and_operators_at_once(self) -> None:
        ports = {}
        for uid, name in MEMBERS.items():
            self.stack.create(name)
            ports[uid] = self.stack.forward(7, name)
        wrong: list[str] = []
        end = time.monotonic() + SECONDS
        with ThreadPoolExecutor(8) as pool:
            seeds = range(8)
            running = [pool.submit(self._storm, random.Random(seed), ports, end, wrong) for seed in seeds]  # noqa: S311
            time.sleep(SECONDS / 2)
            self.stack.lxd.kill()
            self.stack.lxd.up()
            for future in running:
                future.result()
        self.assertEqual(wrong, [], FAR_BEYOND)
        self._all_is_well(ports)

    def _storm(self, random_: random.Random, ports: dict[int, int], end: float, wrong: list[str]) -> None:
        acts: tuple[Callable[[Stack, int], object], ...] = (
            lambda stack, uid: stack.put_state("stop", uid, force=True),
            lambda stack, uid: stack.put_state("start", uid),
            lambda stack, uid: stack.put_state("freeze", uid),
            lambda stack, uid: stack.ask("POST", f"/v1/webspace/{MEMBERS[uid]}/state", token="token-root"),
            lambda stack, uid: stack.ask("DELETE", f"/v1/webspace/{MEMBERS[uid]}/state", token="token-root"),
            lambda stack, uid: stack.ask("PUT", f"/v1/webspace/{MEMBERS[uid]}/state", token="token-root"),
            lambda stack, uid: stack.echo(ports[uid]),
        )
        while time.monotonic() < end:
            uid = random_.choice(list(MEMBERS))
            with suppress(OSError, HTTPException, CannotGoOn, ValueError):
                if random_.random() < 0.4:
                    random_.choice(acts)(self.stack, uid)
                else:
                    self._visit(uid, wrong)

    def _visit(self, uid: int, wrong: list[str]) -> None:
        answer = self.stack.visit(MEMBERS[uid])
        if answer.status == 200 and answer.body != f"ws-u{uid}\n".encode():
            wrong.append(f"{MEMBERS[uid]}: {answer}")

    def _all_is_well(self, ports: dict[int, int]) -> None:
        for uid, name in MEMBERS.items():
            if self.stack.status(uid) == "Frozen":
                # Whoever froze it thaws it.
                self.stack.put_state("unfreeze", uid)
            body = f"ws-u{uid}\n".encode()
            wait_until(f"{name} is served", lambda name=name, body=body: self.stack.visit(name).body == body)
            wait_until(f"{name}'s forward answers", lambda uid=uid: self.stack.echoes(ports[uid]))
            wait_until(f"{name}'s route is direct", lambda uid=uid: self.stack.is_direct(uid))
        self.assertEqual(self.stack.mishaps(), [])
