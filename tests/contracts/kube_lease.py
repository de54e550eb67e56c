"""The Lease and the label of the leader's pod: run on the emulator, and again on a real API server."""

from __future__ import annotations

from itertools import count

from tests.contracts.instances import contract
from tests.contracts.lease import LeaseContract
from webspaced.kube.client import KubeClient
from webspaced.kube.lease import KubeLease, PodLabel
from webspaced.kube.resources import LEASE, POD

NAME = "webspaced"
NOON = 1_800_000_000.25


class KubeLeaseContract(LeaseContract):
    """Mixed into a trial test case that sets ``client``, ``operator`` (who may do more) and ``namespace``."""

    client: KubeClient
    operator: KubeClient
    namespace: str

    def make_leases(self) -> None:
        """Set the two views, for which time goes by: writing the same again is no write."""
        now = count(NOON, 1.0)
        self.first, self.second = (
            KubeLease(self.client, self.namespace, NAME, 15.0, lambda: next(now)) for _ in range(2)
        )

    @contract
    async def test_people_can_read_it(self) -> None:
        claim = await self.first.write("a", None)
        spec = (await self.client.get(LEASE, self.namespace, NAME))["spec"]
        when = "2027-01-15T08:00:00.250000Z"
        self.assertEqual(spec, {
            "holderIdentity": "a", "leaseDurationSeconds": 15, "leaseTransitions": 0, "acquireTime": when, "renewTime": when,
        })  # fmt: skip
        await self.second.write("b", claim)
        spec = (await self.client.get(LEASE, self.namespace, NAME))["spec"]
        self.assertEqual((spec["holderIdentity"], spec["leaseTransitions"]), ("b", 1))

    @contract
    async def test_one_that_an_operator_deleted_is_written_anew(self) -> None:
        claim = await self.first.write("a", None)
        await self.operator.delete(LEASE, self.namespace, NAME)
        await self.refused(self.first, "a", claim)
        self.assertEqual((await self.first.write("a", await self.first.read())).holder, "a")

    @contract
    async def test_the_leaders_pod_has_the_label_and_keeps_its_others(self) -> None:
        spec = {"containers": [{"name": "c", "image": "i"}]}
        pod = POD.document({"name": "pod-1", "labels": {"app": "webspaced"}}, spec=spec)
        await self.operator.create(POD, self.namespace, pod)
        label = PodLabel(self.client, self.namespace, "pod-1")
        for show, labels in ((True, {"app": "webspaced", "webspaced/leader": "true"}), (False, {"app": "webspaced"})):
            for _ in range(2):
                await (label.show() if show else label.hide())
                found = await self.operator.get(POD, self.namespace, "pod-1")
                self.assertEqual(found["metadata"]["labels"], labels)
