"""The image server before a real LXD and a real Incus: what they list, copy, launch, update and refuse."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import socket
import subprocess
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest, TestCase
from twisted.web.server import Site

from harness import tiny_image
from tests.image_server import Client, ImageServer, split_image
from tests.stack import INCUS_VARIABLE, LXD_VARIABLE, free_port, lxd_of_this_run, wait_until
from webspaced.testing.releases import FakeReleases

NOISE = os.urandom(300_000)


def fingerprint(metadata: Path, root: Path) -> str:
    return hashlib.sha256(metadata.read_bytes() + root.read_bytes()).hexdigest()


class FolderTests(TestCase):
    """What ``webspaced-images publish`` writes, served with the server's own certificate."""

    timeout = 300
    variable = LXD_VARIABLE

    def setUp(self) -> None:
        self.lxd = lxd_of_this_run(self.variable)
        self.server = ImageServer(images={"deltas": 2})
        self.addCleanup(self.server.delete)
        self.server.start()
        self.client = Client(self.lxd, self.server, f"t{secrets.token_hex(4)}")
        self.addCleanup(self.client.clear)

    def test_list_copy_launch(self) -> None:
        files = self.server.publish("1.0", b"one")
        self.client.add("img", "local")
        wait_until("the image is listed", lambda: self.client.images("img"))
        (image,) = self.client.images("img")
        self.assertEqual(image["fingerprint"], fingerprint(*files))
        self.assertEqual({alias["name"] for alias in image["aliases"]}, {"tiny", "tiny/amd64"})
        self.assertEqual(image["properties"]["os"], "busybox")
        self.client.launch("img:tiny", "c1")
        self.assertEqual(self.client.run("exec", "c1", "--project", self.client.project, "--", "cat", "/extra"), "one")
        self.assertIn(fingerprint(*files), self.client.own())
        self.assertEqual(self.server.troubles(), [])

    def test_an_update_by_a_delta(self) -> None:
        old = self.server.publish("1.0", NOISE)
        self.client.add("img", "local")
        wait_until("the image is listed", lambda: self.client.images("img"))
        copied = self.client.copy("img:tiny", "--auto-update", "--alias", "mine")
        self.assertEqual(copied.returncode, 0, copied.stderr)
        self.assertEqual(self.client.own(), {fingerprint(*old): ["mine"]})
        new = self.server.publish("1.1", NOISE + b"more")
        wait_until("the new one is listed", lambda: len(self.client.images("img")) == 2)
        before = self.server.figure("webspaced_images_sent_bytes_total")
        self.client.forget()
        self.client.run("image", "refresh", "--project", self.client.project, "mine")
        self.assertEqual(self.client.own(), {fingerprint(*new): ["mine"]})
        sent = self.server.figure("webspaced_images_sent_bytes_total") - before
        self.assertGreater(sent, 0)
        self.assertLess(sent, new[1].stat().st_size / 2)

    def test_every_kind_is_listed(self) -> None:
        metadata, root = self.server.publish("1.0", b"one")
        disk, packed = self.server.folder / "disk", self.server.folder / "packed"
        disk.write_bytes(b"QFI\xfb" + NOISE)
        packed.write_bytes(b"\xfd7zXZ" + NOISE)
        unified = self.server.folder / "unified"
        unified.write_bytes(tiny_image.build("fast"))
        for name, files in (
            ("machine", ("--disk", disk)), ("both", ("--rootfs", root, "--disk", disk)), ("packed", ("--rootfs", packed)),
        ):  # fmt: skip
            arguments = ["--metadata", str(metadata), *map(str, files)]
            self.server.command("publish", name, "--version", "1.0", "--arch", "amd64", *arguments)
        self.server.command("publish", "whole", "--version", "1.0", "--arch", "amd64", "--unified", str(unified))
        self.client.add("img", "local")
        wait_until("all are listed", lambda: len(self.client.images("img")) >= 6)
        found = {(each["aliases"][0]["name"], each["type"]): each["fingerprint"] for each in self.client.images("img")}
        self.assertEqual(found, {
            ("tiny", "container"): fingerprint(metadata, root),
            ("machine", "virtual-machine"): fingerprint(metadata, disk),
            ("both", "container"): fingerprint(metadata, root),
            ("both", "virtual-machine"): fingerprint(metadata, disk),
            ("packed", "container"): fingerprint(metadata, packed),
            ("whole", "container"): hashlib.sha256(unified.read_bytes()).hexdigest(),
        })  # fmt: skip
        copied = self.client.copy("img:whole")
        self.assertEqual(copied.returncode, 0, copied.stderr)

    def test_a_roll_back_is_an_update(self) -> None:
        old = self.server.publish("1.0", b"one")
        new = self.server.publish("1.1", b"two")
        self.client.add("img", "local")
        wait_until("both are listed", lambda: len(self.client.images("img")) == 2)
        self.client.copy("img:tiny", "--auto-update", "--alias", "mine")
        self.assertIn(fingerprint(*new), self.client.own())
        self.server._settings["images"] = {"pins": {"local:tiny": "1.0"}}
        self.server.stop()
        self.server.start()
        self.client.forget()
        self.client.run("image", "refresh", "--project", self.client.project, "mine")
        self.assertEqual(self.client.own(), {fingerprint(*old): ["mine"]})

    def test_a_tampered_file_is_refused(self) -> None:
        _, root = self.server.publish("1.0", b"one")
        self.client.add("img", "local")
        wait_until("the image is listed", lambda: self.client.images("img"))
        path = self.server.published / "images/tiny/amd64/1.0/rootfs.squashfs"
        status, content = path.stat(), bytearray(root.read_bytes())
        content[len(content) // 2] ^= 1
        with path.open("r+b") as file:
            file.write(content)
        # Nobody sees it by the file's size and time.
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        copied = self.client.copy("img:tiny")
        self.assertNotEqual(copied.returncode, 0)
        self.assertIn("mismatch", copied.stderr)
        self.assertEqual(self.client.own(), {})

    def test_a_certificate_that_nobody_pinned_is_refused(self) -> None:
        self.server.publish("1.0", b"one")
        url = f"https://127.0.0.1:{self.server.port}/local"
        self.client.run("remote", "add", "strange", url, "--protocol=simplestreams")
        listed = self.client.tried("image", "list", "strange:")
        self.assertNotEqual(listed.returncode, 0)
        self.assertIn("x509", listed.stderr)

    def test_a_password(self) -> None:
        self.server._settings["http"]["access"] = {"local": {"alice": "secret"}}
        self.server.stop()
        self.server.start()
        self.server.publish("1.0", b"one")
        self.client.trust("shut")
        self.client.trust("open")
        host = f"127.0.0.1:{self.server.port}/local"
        self.client.run("remote", "add", "shut", f"https://{host}", "--protocol=simplestreams")
        self.client.run("remote", "add", "open", f"https://alice:secret@{host}", "--protocol=simplestreams")
        self.assertNotEqual(self.client.tried("image", "list", "shut:").returncode, 0)
        wait_until("the image is listed", lambda: self.client.images("open"))
        self.assertEqual(self.client.copy("open:tiny").returncode, 0)

    def test_publish_from_its_own_images(self) -> None:
        metadata, root = split_image(self.server.folder, "own", b"own")
        name = secrets.token_hex(4)
        self.client.run("image", "import", str(metadata), str(root), "--project", "default", "--alias", name)
        self.addCleanup(self.client.run, "image", "delete", "--project", "default", name)
        flavour, environment = self.lxd.flavour.name, self.lxd.environment
        self.server.command("publish", "own", "--version", "1.0", f"--from-{flavour}", name, environment=environment)
        self.client.add("img", "local")
        wait_until("the image is listed", lambda: self.client.images("img"))
        (image,) = self.client.images("img")
        self.assertEqual(image["fingerprint"], fingerprint(metadata, root))


class IncusFolderTests(FolderTests):
    variable = INCUS_VARIABLE


class ReleaseTests(TestCase):
    """Releases of a repository, from a release API on loopback."""

    timeout = 300
    variable = LXD_VARIABLE

    def setUp(self) -> None:
        self.lxd = lxd_of_this_run(self.variable)
        port = free_port()
        self.api = FakeReleases(f"http://127.0.0.1:{port}")
        listening = reactor.listenTCP(port, Site(self.api), interface="127.0.0.1")
        self.addCleanup(listening.stopListening)
        self.server = ImageServer(
            releases={"api": self.api.base, "repositories": ["netsoc/lxd-images"], "interval": "10s"},
            images={"deltas": 2},
        )
        self.addCleanup(self.server.delete)

    def files(self, name: str, extra: bytes) -> dict[str, bytes]:
        metadata, root = (path.read_bytes() for path in split_image(self.server.folder, name, extra))
        return {
            "lxd.amd64.tar.xz": metadata,
            "rootfs.amd64.squashfs": root,
            "combined.amd64.sha256": hashlib.sha256(metadata + root).hexdigest().encode(),
        }

    def test_a_new_release_arrives(self) -> Deferred[None]:
        old, new = self.files("old", NOISE), self.files("new", NOISE + b"more")
        self.api.add("netsoc/lxd-images", "tiny/v1.0.0", old)
        return deferToThread(self.update, old, new)

    def update(self, old: dict[str, bytes], new: dict[str, bytes]) -> None:
        self.server.start()
        client = Client(self.lxd, self.server, f"t{secrets.token_hex(4)}")
        try:
            client.add("netsoc", "netsoc/lxd-images")
            wait_until("the image is listed", lambda: client.images("netsoc"))
            self.assertEqual(client.copy("netsoc:tiny", "--auto-update", "--alias", "mine").returncode, 0)
            self.assertEqual(list(client.own()), [old["combined.amd64.sha256"].decode()])
            reactor.callFromThread(self.api.add, "netsoc/lxd-images", "tiny/v1.1.0", new)
            wait_until("the new release is listed", lambda: len(client.images("netsoc")) == 2)
            before = self.server.figure("webspaced_images_sent_bytes_total")
            client.forget()
            client.run("image", "refresh", "--project", client.project, "mine")
            self.assertEqual(client.own(), {new["combined.amd64.sha256"].decode(): ["mine"]})
            sent = self.server.figure("webspaced_images_sent_bytes_total") - before
            self.assertLess(sent, len(new["rootfs.amd64.squashfs"]) / 2)
            self.assertEqual(self.server.troubles(), [])
        finally:
            client.clear()


class IncusReleaseTests(ReleaseTests):
    variable = INCUS_VARIABLE


class OracleTests(TestCase):
    """Incus' own tool for such folders."""

    timeout = 120

    def test_it_accepts_the_folder(self) -> None:
        program = shutil.which("incus-simplestreams")
        if program is None:
            raise SkipTest("incus-simplestreams is not installed (the package incus-extra)")
        server = ImageServer(images={"deltas": 2})
        self.addCleanup(server.delete)
        for number in range(3):
            server.publish(f"1.{number}", NOISE + bytes([number]))
        self.assertTrue(list(server.published.glob("images/tiny/amd64/1.2/*.vcdiff")))
        server.command("verify", str(server.published))
        done = subprocess.run([program, "verify"], cwd=server.published, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        listed = subprocess.run([program, "list"], cwd=server.published, capture_output=True, text=True, check=False)
        self.assertIn("busybox", listed.stdout)
        path = server.published / "images/tiny/amd64/1.2/rootfs.squashfs"
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        done = subprocess.run([program, "verify"], cwd=server.published, capture_output=True, text=True, check=False)
        self.assertNotEqual(done.returncode, 0)


class PortTests(TestCase):
    """What LXD and Incus do at a TLS port before they speak TLS."""

    timeout = 120

    def setUp(self) -> None:
        self.server = ImageServer()
        self.addCleanup(self.server.delete)
        self.server.start()

    def test_plain_http_is_hung_up_on(self) -> None:
        for request in (b"GET /local/streams/v1/index.json HTTP/1.1\r\nHost: x\r\n\r\n", b"junk\r\n"):
            with socket.create_connection(("127.0.0.1", self.server.port), 20) as connection:
                connection.sendall(request)
                received = b""
                while piece := connection.recv(4096):
                    received += piece
            self.assertNotIn(b"HTTP/1.1", received)

    def test_connections_that_say_nothing_are_no_error(self) -> None:
        for _ in range(20):
            socket.create_connection(("127.0.0.1", self.server.port), 20).close()
        self.assertTrue(self.server.is_ready())
        self.assertEqual(self.server.troubles(), [])
        self.assertNotIn("Traceback", self.server.log())
