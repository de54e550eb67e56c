"""The mark in LXD of the daemon that serves."""

from __future__ import annotations

from tests.contracts.lease import LeaseContract
from tests.unit.testing.simulated import SimulatedCase
from webspaced.errors import RemoteError
from webspaced.leadership.struggle import Leadership
from webspaced.lxd.owner import KEY, OwnerLease
from webspaced.testing.lxd.flavour import INCUS

PROFILE = "/profiles/webspaced-owner-default-ws"


class OwnerTests(SimulatedCase, LeaseContract):
    def setUp(self) -> None:
        super().setUp()
        self.first, self.second = (OwnerLease(self.client, "default", "ws-") for _ in range(2))

    def test_others_of_another_project_or_prefix_are_no_rivals(self) -> None:
        for other in (OwnerLease(self.client, "lab", "ws-"), OwnerLease(self.client, "default", "lab-")):
            self.clock.result_of(self.first.write("a", self.clock.result_of(self.first.read())))
            self.assertIsNone(self.clock.result_of(other.read()))

    def test_what_somebody_else_wrote_there_is_nobodys(self) -> None:
        for text in ("", "{", "[]", "3"):
            self.clock.result_of(self.first.write("a", self.clock.result_of(self.first.read())))
            self.clock.result_of(self.client.send("PATCH", PROFILE, {"config": {KEY: text}}))
            claim = self.clock.result_of(self.second.read())
            self.assertEqual(claim.holder, "", text)
            self.assertEqual(self.clock.result_of(self.second.write("b", claim)).holder, "b")

    def test_without_the_right_to_make_a_profile_it_leads_all_the_same(self) -> None:
        send = self.client.send

        async def refused(method: str, path: str, *args: object, **more: object) -> object:
            if method == "POST":
                raise RemoteError("not allowed", 403)
            return await send(method, path, *args, **more)

        self.patch(self.client, "send", refused)
        leadership = Leadership(self.clock, self.first, "a", queues=False)
        leadership.run()
        self.clock.run_for(100)
        self.assertTrue(leadership.holds())
        self.clock.result_of(leadership.release())

    def test_the_webspaces_profile_is_left_alone(self) -> None:
        before = dict(self.lxd.machine.profiles["default", "webspace"].config)
        self.clock.result_of(self.first.write("a", None))
        self.assertEqual(self.lxd.machine.profiles["default", "webspace"].config, before)


class IncusOwnerTests(OwnerTests):
    flavour = INCUS
