"""The upgrade from the webspaced that was written in Go, rehearsed, while visitors come to a webspace that runs.

Its Traefik is a fork that nobody can get any more: what stands for it looks up by the old objects where a visitor is led
at each visit, as Traefik 2 does, and goes there.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from unittest import SkipTest, TestCase

from harness import packages
from tests.kube.deployment import Asking, Deployment
from tests.kube_server import shared_server
from tests.predecessor import led_to, left_by
from tests.stack import exchange, wait_until
from tests.visitors import PATIENCE
from webspaced.core.address import Endpoint
from webspaced.core.client_address import parse_address
from webspaced.kube.resources import (
    ENDPOINT_SLICE,
    ENDPOINTS,
    INGRESS_ROUTE,
    MIDDLEWARE,
    OLD_INGRESS_ROUTE,
    OLD_INGRESS_ROUTE_TCP,
    OLD_MIDDLEWARE,
    OLD_MIDDLEWARE_TCP,
    SERVERS_TRANSPORT,
    SERVERS_TRANSPORT_TCP,
    SERVICE,
    Resource,
)
from webspaced.testing.lxd.simulator import LOOPBACK_PORTS

OLD_KINDS = (OLD_INGRESS_ROUTE, OLD_INGRESS_ROUTE_TCP, OLD_MIDDLEWARE, OLD_MIDDLEWARE_TCP)
OURS = (INGRESS_ROUTE, MIDDLEWARE, SERVERS_TRANSPORT, SERVERS_TRANSPORT_TCP, ENDPOINT_SLICE, SERVICE)
PAGES = {"alice": (200, b"ws-u1\n"), "bob": (200, b"ws-u2\n")}


def definition(kind: Resource) -> dict[str, Any]:
    """Give what makes the API server know an old kind."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": kind.version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": kind.plural, "singular": kind.kind.lower(), "kind": kind.kind, "listKind": f"{kind.kind}List"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": str(kind)},
        "spec": {"group": kind.group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


class SocketConnection(HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(self._path))


class AdoptionTests(TestCase):
    def setUp(self) -> None:
        if not packages.is_root():
            message = "needs root, for addresses that are not loopback"
            raise SkipTest(message)
        self.server = shared_server()
        self.know_old_kinds()
        self.deployment = Deployment(self.server)
        self.addCleanup(self.deployment.down)
        self.deployment.up()
        self.pod = self.deployment.pods[0]
        self.leave_as_the_old_one()

    def know_old_kinds(self) -> None:
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        known = {each["metadata"]["name"] for each in self.server.ask("GET", path)["items"]}
        for kind in OLD_KINDS:
            if str(kind) not in known:
                self.server.ask("POST", path, definition(kind))
        wait_until("the old kinds are known", lambda: all(self.is_served(kind) for kind in OLD_KINDS))

    def is_served(self, kind: Resource) -> bool:
        with suppress(Exception):
            self.server.ask("GET", kind.path("default"))
            return True
        return False

    def objects(self, kind: Resource) -> dict[str, Any]:
        found = self.server.ask("GET", kind.path(self.deployment.namespace))["items"]
        return {each["metadata"]["name"]: each for each in found}

    def leave_as_the_old_one(self) -> None:
        """Make what it leaves when its pod is deleted without a clean-up: Alice's webspace runs, and Bob's does not."""
        self.pod.start()
        for name in PAGES:
            self.assertEqual(self.pod.ask("POST", "/v1/webspace/self", b'{"image": "fast"}', name).status, 201)
        wait_until("alice is awake", lambda: self.deployment.shows("alice"))
        wait_until("her route is direct", lambda: self.deployment.backend("ws-u1") != self.pod.address)
        address = parse_address(self.deployment.backend("ws-u1"))
        assert address is not None
        self.pod.end()
        for kind in OURS:
            for name in self.objects(kind):
                self.server.ask("DELETE", kind.path(self.deployment.namespace, name))
        config = {"startupDelay": 3, "httpPort": LOOPBACK_PORTS.web, "sniPassthrough": False}
        for uid, backend in ((1, Endpoint(address, LOOPBACK_PORTS.web)), (2, None)):
            document = {"user": uid, "config": config, "domains": [], "ports": {}}
            self.write_document(f"ws-u{uid}", json.dumps(document))
            name = {1: "alice", 2: "bob"}[uid]
            for kind, each in left_by(f"ws-u{uid}", backend, (f"{name}.example.org",)):
                self.server.ask("POST", kind.path(self.deployment.namespace), each)

    def write_document(self, name: str, text: str) -> None:
        connection = SocketConnection(self.deployment.directory / "unix.socket")
        connection.request("PATCH", f"/1.0/instances/{name}", json.dumps({"config": {"user._webspaced": text}}))
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200, answer.read())
        connection.close()

    def old_visit(self, name: str) -> tuple[int, bytes]:
        """Visit as a visitor of the old Traefik does."""
        uid = {"alice": 1, "bob": 2}[name]
        route = self.objects(OLD_INGRESS_ROUTE)[f"ws-u{uid}"]
        where = led_to(route, self.objects(SERVICE), self.objects(ENDPOINTS))
        if where is None:
            message = "the old Traefik finds no backend"
            raise LookupError(message)
        answer = exchange(*where, "GET", "/", None, {"Host": f"{name}.example.org"})
        return answer.status, answer.body

    def new_visit(self, name: str) -> tuple[int, bytes]:
        answer = self.deployment.visit(name)
        return answer.status, answer.body

    def adopt(self, what: str, status: int = 0) -> str:
        program = Path(sys.executable).with_name("webspaced")
        config = self.deployment.directory / "pod-a" / "webspaced.yaml"
        command = [str(program), "adopt", what, "--json", "--config", str(config)]
        environment = {**os.environ, "KUBECONFIG": str(self.deployment.kubeconfig)}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=PATIENCE)
        self.assertEqual(done.returncode, status, done)
        return " ".join(each["told"] for each in json.loads(done.stdout))

    def old_ones(self) -> list[str]:
        found = [name for kind in OLD_KINDS for name in self.objects(kind)]
        return [*found, *self.objects(ENDPOINTS)]

    def test_nobody_who_visits_a_webspace_that_runs_notices(self) -> None:
        with Asking(lambda: self.old_visit("alice")) as old:
            told = self.adopt("--check")
            self.assertIn("2 webspaces can be read as they are", told)
            self.assertIn("not yet ws-u1, ws-u2", told)
            self.assertIn("nothing has been removed", self.adopt("--finish", status=1))
            self.pod.start()
            wait_until("Traefik 3 shows her page", lambda: self.deployment.shows("alice"))
            with Asking(lambda: self.new_visit("alice")) as new:
                self.assertEqual(self.old_visit("bob"), PAGES["bob"])
                self.assertEqual(self.new_visit("bob"), PAGES["bob"])
                self.assertIn("serves all of them", self.adopt("--check"))
                wait_until("the old Traefik goes straight to him, too", lambda: self.led("bob") != self.pod.address)
                seen = len(old.seen)
                wait_until("visitors came since", lambda: len(old.seen) > seen + 10)
                # Here the load balancer is switched: nobody comes to the old Traefik any more.
                old.__exit__()
                told = self.adopt("--finish")
                self.assertIn("2 ingressroutes.traefik.containo.us removed", told)
                self.assertEqual(self.old_ones(), [])
                self.assertIn("nothing of the old webspaced is left", self.adopt("--finish"))
                self.assertEqual(self.pod.ask("DELETE", "/v1/webspace/self/state", None, "bob").status, 204)
                self.assertEqual(self.new_visit("bob"), PAGES["bob"])
                self.assertEqual(self.old_ones(), [])
        self.assertEqual((set(old.seen), set(new.seen)), ({PAGES["alice"]}, {PAGES["alice"]}))

    def led(self, name: str) -> str:
        uid = {"alice": 1, "bob": 2}[name]
        found = led_to(self.objects(OLD_INGRESS_ROUTE)[f"ws-u{uid}"], self.objects(SERVICE), self.objects(ENDPOINTS))
        return found[0] if found else ""

    def test_what_is_in_the_way_is_told(self) -> None:
        self.write_document("ws-u2", "nonsense")
        service = self.objects(SERVICE)["ws-u1"]
        path = SERVICE.path(self.deployment.namespace, "ws-u1")
        del service["metadata"]["labels"]
        self.server.ask("PUT", path, service)
        told = self.adopt("--check", status=1)
        self.assertIn("ws-u2: user._webspaced is not JSON", told)
        self.assertIn("the Services ws-u1 are not webspaced's", told)

    def test_a_crash_on_the_way(self) -> None:
        with Asking(lambda: self.old_visit("alice")) as old:
            self.pod.start()
            self.pod.signal(signal.SIGKILL)
            self.pod.ended()
            self.pod.start()
            wait_until("Traefik 3 shows her page", lambda: self.deployment.shows("alice"))
            self.assertEqual(self.old_visit("bob"), PAGES["bob"])
        self.assertEqual(set(old.seen), {PAGES["alice"]})
