"""The image server and its commands killed at any moment: what is there afterwards is a stream that can be read."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from twisted.web.server import Site

from tests.image_server import ImageServer
from tests.stack import free_port, wait_until
from tests.unit.images.serving import metadata
from webspaced.images.verifying import opener, problems
from webspaced.testing.releases import FakeReleases

KILLS = 25
ROOT = os.urandom(20_000_000)


class PublishTests(TestCase):
    timeout = 300

    def setUp(self) -> None:
        self.server = ImageServer()
        self.addCleanup(self.server.delete)
        self.files = {"--metadata": self.server.folder / "m", "--rootfs": self.server.folder / "r"}
        self.files["--metadata"].write_bytes(metadata())
        self.files["--rootfs"].write_bytes(b"hsqs" + ROOT)

    def begin(self, version: str) -> subprocess.Popen[bytes]:
        arguments = [str(each) for pair in self.files.items() for each in pair]
        return subprocess.Popen(
            [sys.executable, "-m", "webspaced.images.cli", "publish", "x", "--config", str(self.server.config),
             "--version", version, "--arch", "amd64", *arguments],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def test_killed_while_it_publishes(self) -> None:
        began = time.monotonic()
        self.assertEqual(self.begin("0.1").wait(60), 0)
        usual = time.monotonic() - began
        killed = 0
        for number in range(KILLS):
            process = self.begin(f"1.{number}")
            time.sleep(usual * number / KILLS)
            process.send_signal(signal.SIGKILL)
            killed += process.wait(60) == -signal.SIGKILL
            self.assertEqual(list(problems(opener(str(self.server.published)))), [], number)
        self.assertGreater(killed, KILLS // 2)
        self.assertEqual(self.begin("2.0").wait(60), 0)
        self.assertEqual(list(problems(opener(str(self.server.published)))), [])
        self.assertIn("2.0", self.server.command("list"))


class FetchTests(TestCase):
    timeout = 300

    def setUp(self) -> None:
        port = free_port()
        self.api = FakeReleases(f"http://127.0.0.1:{port}")
        listening = reactor.listenTCP(port, Site(self.api), interface="127.0.0.1")
        self.addCleanup(listening.stopListening)
        self.server = ImageServer(
            releases={"api": self.api.base, "repositories": ["a/b"], "interval": "10s"}, cache={"size": 200_000_000}
        )
        self.addCleanup(self.server.delete)

    def get(self, path: str) -> bytes:
        context = ssl.create_default_context(cadata=self.server.authority.decode())
        url = f"https://127.0.0.1:{self.server.port}/a/b/{path}"
        with urllib.request.urlopen(url, context=context, timeout=30) as answer:
            return bytes(answer.read())

    def images(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads(self.get("streams/v1/images.json"))["products"]
        except OSError:
            return None
        return found

    def count(self) -> int:
        """How many versions are listed."""
        return sum(len(product["versions"]) for product in (self.images() or {}).values())

    def check(self) -> bool:
        """Whether what is listed can be had, and is what the list says; False while there is no list."""
        products = self.images()
        for product in (products or {}).values():
            for version in product["versions"].values():
                for item in version["items"].values():
                    self.assertEqual(hashlib.sha256(self.get(item["path"])).hexdigest(), item["sha256"])
        return bool(products)

    def test_killed_while_it_fetches(self) -> Deferred[None]:
        for number in range(4):
            files = {"lxd.amd64.tar.xz": metadata(), "rootfs.amd64.squashfs": bytes([number]) + ROOT}
            self.api.add("a/b", f"x/v1.{number}.0", files)
        return deferToThread(self.kill_it)

    def kill_it(self) -> None:
        for number in range(12):
            self.server.start()
            time.sleep(0.03 * number)
            self.check()
            self.server.kill()
        self.server.start()
        wait_until("all of them are listed", lambda: self.count() == 4)
        self.assertTrue(self.check())
        for line in self.server.log().splitlines():
            self.assertNotIn("Traceback", line)
