"""More than one webspaced in Kubernetes: rolling updates (and so drains), crashes, and one that was stalled."""

from __future__ import annotations

import json
import signal
from unittest import SkipTest, TestCase

from harness import packages
from tests.kube.deployment import Deployment, Visitor
from tests.kube_server import shared_server
from tests.stack import wait_until
from webspaced.testing.lxd.simulator import LOOPBACK_PORTS

ALICE = (200, b"ws-u1\n")


class DaemonsTests(TestCase):
    def setUp(self) -> None:
        if not packages.is_root():
            message = "needs root, for addresses that are not loopback"
            raise SkipTest(message)
        self.deployment = Deployment(shared_server())
        self.addCleanup(self.deployment.down)
        self.deployment.up()
        self.first, self.second = self.deployment.pods
        self.first.start()
        self.assertIs(self.deployment.leader(), self.first)
        for name in ("alice", "bob"):
            created = self.first.ask("POST", "/v1/webspace/self", b'{"image": "fast"}', name)
            self.assertEqual(created.status, 201, created)
        answer = self.first.ask("POST", f"/v1/webspace/self/ports/{LOOPBACK_PORTS.echo}")
        self.port = int(answer.json["ePort"])
        wait_until("alice is awake", lambda: self.deployment.shows("alice"))
        wait_until("her route is direct", lambda: self.deployment.backend("ws-u1") != self.first.address)
        self.second.start()

    def check(self, visitor: Visitor) -> None:
        """Look at what is so while there is a leader."""
        leader = self.deployment.leader()
        wait_until("the forward works", lambda: self.deployment.echo(self.port) == b"hello")
        wait_until("bob leads to the leader", lambda: self.deployment.backend("ws-u2") == leader.address)
        self.assertEqual(leader.ask("GET", "/v1/webspace/self").json["user"], 1)
        wait_until("somebody has visited", lambda: visitor.seen)
        self.assertEqual(set(visitor.seen), {ALICE})

    def test_a_rolling_update(self) -> None:
        self.assertEqual(self.deployment.leaders(), ["pod-a"])
        refused = self.second.ask("POST", "/v1/webspace/self/ports/7")
        self.assertEqual((refused.status, "Retry-After" in refused.headers), (503, True))
        with Visitor(self.deployment, "alice") as visitor:
            for leaving, staying in ((self.first, self.second), (self.second, self.first)):
                self.check(visitor)
                leaving.signal(signal.SIGTERM)
                self.assertEqual(leaving.ended(), -signal.SIGTERM)
                self.assertNotEqual(self.deployment.leaders(), [leaving.name])
                self.assertIs(self.deployment.leader(), staying)
                self.check(visitor)
                leaving.start()
            wait_until("bob wakes", lambda: self.deployment.shows("bob"))
        self.assertEqual(set(visitor.seen), {ALICE})

    def test_a_crash(self) -> None:
        with Visitor(self.deployment, "alice") as visitor:
            self.check(visitor)
            self.first.signal(signal.SIGKILL)
            self.first.ended()
            wait_until("the other one leads", lambda: "pod-b" in self.deployment.leaders())
            # A dead pod is taken away with its node.
            path = f"/api/v1/namespaces/{self.deployment.namespace}/pods/pod-a?gracePeriodSeconds=0"
            self.deployment.server.ask("DELETE", path)
            self.check(visitor)
            wait_until("bob wakes", lambda: self.deployment.shows("bob"))
        self.assertEqual(set(visitor.seen), {ALICE})

    def test_one_that_was_stalled_writes_nothing_and_ends(self) -> None:
        with Visitor(self.deployment, "alice") as visitor:
            self.check(visitor)
            self.first.signal(signal.SIGSTOP)
            wait_until("the other one leads", lambda: "pod-b" in self.deployment.leaders())
            wait_until("bob leads there", lambda: self.deployment.backend("ws-u2") == self.second.address)
            slices = self.slices()
            self.first.signal(signal.SIGCONT)
            self.assertEqual(self.first.ended(), 1)
            self.assertEqual(self.slices(), slices)
            self.assertEqual(self.deployment.leaders(), ["pod-b"])
            self.assertIn("another webspaced serves these webspaces now", self.first.log())
        self.assertEqual(set(visitor.seen), {ALICE})

    def slices(self) -> str:
        path = f"/apis/discovery.k8s.io/v1/namespaces/{self.deployment.namespace}/endpointslices"
        found = self.deployment.server.ask("GET", path)
        return json.dumps([(each["metadata"]["name"], each["metadata"]["resourceVersion"]) for each in found["items"]])
