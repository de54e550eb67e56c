"""What a webspace is told that another one was granted later: by the whole daemon, with its own listeners."""

from __future__ import annotations

import json

from tests.unit.assembled import AssembledCase
from webspaced.core.webspace import KEY

PORT = 50123


class PortClashTests(AssembledCase):
    def write(self, name: str, document: str, **members: object) -> None:
        """Write a document by hand, as an operator does, and let it be seen."""
        self.lxd.set_keys(name, **{KEY: json.dumps({**json.loads(document), **members})})
        self.machine.run_for(2)

    def told(self) -> list[str]:
        status, webspace = self.ask("GET", "self")
        self.assertEqual(status, 200)
        return [each["kind"] for each in webspace.get("conditions", [])]

    def test_is_told_for_as_long_as_another_one_has_the_port(self) -> None:
        self.start()
        for name in ("alice", "bob"):
            self.create(name)
        self.write("ws-u1", self.key(KEY), ports={str(PORT): 80})
        snapshot = self.key(KEY)
        self.write("ws-u1", snapshot, ports={})
        self.write("ws-u2", self.key(KEY, "ws-u2"), ports={str(PORT): 80})
        self.write("ws-u1", snapshot)
        self.assertEqual(self.told(), ["port-clash"])
        # More than one full pass, and what could not be bound is tried again.
        self.machine.run_for(700)
        self.assertEqual(self.told(), ["port-clash"])
        self.write("ws-u2", self.key(KEY, "ws-u2"), ports={})
        self.assertEqual(self.told(), [])
