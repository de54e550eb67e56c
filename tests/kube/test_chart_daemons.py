"""Two webspaced with the chart's settings and its account's rights, and the release upgraded beneath them."""

from __future__ import annotations

import signal
from unittest import SkipTest, TestCase

from harness import packages
from tests.chart_values import at, merged
from tests.kube.chart_deployment import NAME, VALUES, ChartDeployment
from tests.kube_server import shared_server
from tests.stack import wait_until
from webspaced.testing.lxd.simulator import LOOPBACK_PORTS

BOTH = (NAME, f"{NAME}-forwarding")


class ChartDaemonsTests(TestCase):
    def setUp(self) -> None:
        if not packages.is_root():
            message = "needs root, for addresses that are not loopback"
            raise SkipTest(message)
        self.deployment = ChartDeployment(shared_server())
        self.addCleanup(self.deployment.down)
        self.deployment.up()
        for pod in self.deployment.pods:
            pod.start()
        self.deployment.leader()

    def test_they_lead_serve_and_forward_with_the_rights_that_they_have(self) -> None:
        first, second = self.deployment.pods
        self.assertEqual([self.deployment.selected(each) for each in BOTH], [["pod-a"], ["pod-a"]])
        self.assertEqual(first.ask("POST", "/v1/webspace/self", b'{"image": "fast"}').status, 201)
        answer = first.ask("POST", f"/v1/webspace/self/ports/{LOOPBACK_PORTS.echo}")
        port = int(answer.json["ePort"])
        wait_until("alice is awake", lambda: self.deployment.shows("alice"))
        wait_until("the Service has her port", lambda: port in self.deployment.forwarded())
        before = self.deployment.forwarded()
        self.assertEqual(set(before), {6969, port})
        self.deployment.helm.release("upgrade", merged(VALUES, at("fwdService.annotations", {"a": "b"})))
        first.signal(signal.SIGTERM)
        first.ended()
        wait_until("the other one leads", lambda: self.deployment.selected(NAME) == ["pod-b"])
        wait_until("the forward works", lambda: self.deployment.echo(port) == b"hello")
        self.assertEqual(self.deployment.forwarded(), before)
        self.assertTrue(self.deployment.shows("alice"))
        for log in (first.log(), second.log()):
            self.assertNotIn("forbidden", log.lower())
