"""Versions of LXD that are not at hand, by documents made from their descriptions (see ``versions.py``)."""

from __future__ import annotations

import json
from ipaddress import ip_address, ip_network

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.lxd.fake_lxd import FakeLxd, Reply, accepted, sync
from tests.unit.lxd.test_trust import TOKEN
from tests.unit.lxd.versions import STATE, VERSIONS, Version
from tests.unit.timing import Time, watch
from webspaced.core.address import AddressRule
from webspaced.errors import RemoteError
from webspaced.lxd.client import LxdClient
from webspaced.lxd.events import read_event
from webspaced.lxd.instances import LxdInstances
from webspaced.lxd.trust import introduce


class VersionTests(SynchronousTestCase):
    def client(self, *replies: Reply) -> LxdClient:
        clock = Time()
        self.fake = FakeLxd(clock, *replies)
        return LxdClient(self.fake, clock, "web")

    def each(self) -> list[Version]:
        return list(VERSIONS.values())

    def test_it_is_known_by_its_extensions(self) -> None:
        for version in self.each():
            server = watch(introduce(self.client(sync(version.root)), None)).value
            self.assertEqual((server.trusted, server.version), (True, version.root["environment"]["server_version"]))

    def test_it_is_asked_for_trust_as_it_wants_to_be(self) -> None:
        for version in self.each():
            stranger = sync({**version.root, "auth": "untrusted"})
            watch(introduce(self.client(stranger, sync(None), sync(version.root)), TOKEN)).value  # noqa: B018
            self.assertEqual(self.fake.asked[1].body, {"type": "client", **version.trusting(TOKEN)})

    def test_its_instances(self) -> None:
        for version in self.each():
            (instance,) = watch(LxdInstances(self.client(sync([version.instance]))).list_all()).value
            self.assertTrue(instance.status.runs)
            self.assertEqual((instance.name, instance.incarnation), ("ws-u7", version.incarnation))
            state = watch(LxdInstances(self.client(sync(STATE))).state("ws-u7")).value
            rule = AddressRule(networks=(ip_network("10.7.0.0/24"),))
            self.assertEqual(rule.claims(state, instance.nic_mac("eth0")), (ip_address("10.7.0.5"),))

    def test_its_events(self) -> None:
        for version in self.each():
            for metadata, names in version.events:
                self.assertEqual(read_event(json.dumps({"type": "lifecycle", "metadata": metadata})), names, metadata)

    def test_its_failed_operations(self) -> None:
        failed = {"id": "op-1", "status": "Failure", "status_code": 400, "err": "no"}
        starting = LxdInstances(self.client(accepted("/1.0/operations/op-1?project=web"), sync(failed))).start("ws-u7")
        self.assertEqual(str(self.assertRaises(RemoteError, lambda: watch(starting).value)), "no")
        self.assertEqual(self.fake.asked[1].path, "/1.0/operations/op-1/wait")
