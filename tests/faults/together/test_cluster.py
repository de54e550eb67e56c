"""A cluster of two LXDs: placement is LXD's, and one member that is down takes nobody else along."""

from __future__ import annotations

from typing import ClassVar

from harness.private_lxd import PrivateLxd
from tests.cluster import Cluster
from tests.stack import MEMBERS, StackCase, free_port, lxd_of_this_run, wait_until


class ClusterTests(StackCase):
    # No full pass may stand in for an event.
    webspaces: ClassVar[dict[str, object]] = {"resync_interval": "1h"}

    def lxd(self) -> PrivateLxd:
        self.cluster = Cluster(lxd_of_this_run(), free_port)
        self.addCleanup(self.cluster.delete)
        self.cluster.up()
        return self.cluster.members["one"]

    def prepare(self) -> None:
        # The bridge is not LXD's: only the operator knows what is on it.
        self.stack.set_webspaces(networks=[self.cluster.subnet])

    def create_on_both(self) -> dict[str, int]:
        """Create webspaces until each member has one; gives their ids by member."""
        found: dict[str, int] = {}
        for uid, name in MEMBERS.items():
            self.stack.create(name)
            found.setdefault(self.stack.rest.get(f"/1.0/instances/ws-u{uid}")["location"], uid)
            if len(found) == 2:
                return found
        raise AssertionError("LXD put everything on one member")

    def check_served(self, uid: int) -> None:
        self.assertEqual(self.stack.visit(MEMBERS[uid]).body.strip(), f"ws-u{uid}".encode())

    def check_stops_and_wakes(self, uid: int) -> None:
        self.stack.put_state("stop", uid, force=True)
        wait_until("the event has been heard", lambda: self.stack.leads_to_itself(uid))
        wait_until("it is woken", lambda: self.stack.visit(MEMBERS[uid]).status == 200)

    def away_is_noticed(self) -> bool:
        return "the cluster member two is away" in self.stack.log()

    def test_one_member_down(self) -> None:
        uids = self.create_on_both()
        for uid in uids.values():
            self.check_served(uid)
            self.check_stops_and_wakes(uid)
            wait_until("the route is direct", lambda uid=uid: self.stack.is_direct(uid))
        routes = self.stack.routes()
        # Nothing but a full pass shows that a member is away.
        self.stack.set_webspaces(resync_interval="1s")
        self.stack.write_configuration()
        self.stack.stop()
        self.stack.start()
        self.assertEqual(self.stack.routes(), routes)
        self.cluster.members["two"].kill()
        wait_until("the member is missed", self.away_is_noticed)
        # Its containers go on, and visitors of both find what they look for.
        self.check_served(uids["two"])
        self.check_stops_and_wakes(uids["one"])
        wait_until("the route is direct", lambda: self.stack.is_direct(uids["one"]))
        self.assertEqual(self.stack.routes(), routes)
        # Even a webspaced that has never seen them changes nothing of them.
        self.stack.kill()
        self.stack.start()
        self.assertEqual(self.stack.routes(), routes)
        self.check_served(uids["two"])
        self.check_stops_and_wakes(uids["one"])
        self.check_told(MEMBERS[uids["two"]])
        self.cluster.members["two"].start()
        wait_until("the member is back", lambda: "member-away is over" in self.stack.log())
        self.assertEqual(self.stack.ask("GET", "/v1/webspace/self", token=self.token(uids["two"])).status, 200)
        self.check_stops_and_wakes(uids["two"])

    def token(self, uid: int) -> str:
        return f"token-{MEMBERS[uid]}"

    def check_told(self, name: str) -> None:
        """Its member is told that this is temporary."""
        answer = self.stack.ask("GET", "/v1/webspace/self", token=f"token-{name}")
        self.assertEqual(answer.status, 503, answer)
        self.assertIn("Retry-After", answer.headers)
        self.assertIn("two", answer.json["message"])
