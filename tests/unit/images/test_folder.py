"""A folder is written, listed, verified and pruned; a kill at any moment leaves it readable."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.unit.images.serving import ServingCase, metadata, sha256
from webspaced.errors import Conflict, Invalid, WebspacedError
from webspaced.images.cli import main
from webspaced.images.core.manifest import Manifest
from webspaced.images.core.products import Policy
from webspaced.images.core.version import Version
from webspaced.images.deltas import PROGRAM
from webspaced.images.folder import add_version, locked, write_documents
from webspaced.images.pruning import UNLIST, Retention, carry_out, steps
from webspaced.images.verifying import opener, problems

NOW = 1_700_000_000.0
NOISE = os.urandom(200_000)


class FolderCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.root = Path(self.mktemp()).absolute()
        self.files = Path(self.mktemp()).absolute()
        self.files.mkdir()

    def put(
        self, version: str, root: bytes = b"root" * 100, image: str = "docker", arch: str = "amd64", **more: Any
    ) -> Path:
        """Publish a version, and list it."""
        (self.files / "metadata").write_bytes(metadata())
        (self.files / "root").write_bytes(root)
        named = {"lxd.tar.xz": self.files / "metadata", "rootfs.squashfs": self.files / "root"}
        with locked(self.root):
            folder = add_version(self.root, image, version, arch, named, **more)
            write_documents(self.root, Policy())
        return folder

    def images(self) -> dict[str, Any]:
        return dict(json.loads((self.root / "streams/v1/images.json").read_text())["products"])

    def versions(self) -> list[str]:
        products = self.images()
        keys = products["docker:amd64"]["versions"] if products else {}
        return [keys[key]["items"]["lxd.tar.xz"]["path"].split("/")[3] for key in sorted(keys, reverse=True)]

    def problems(self) -> list[str]:
        return list(problems(opener(str(self.root))))


class WritingTests(FolderCase):
    def test_what_is_published_can_be_read(self) -> None:
        self.put("1.0")
        self.put("1.10")
        self.put("1.9", arch="arm64")
        self.assertEqual(self.versions(), ["1.10", "1.0"])
        self.assertEqual(list(self.images()), ["docker:amd64", "docker:arm64"])
        self.assertEqual(self.problems(), [])
        self.assertTrue((self.root / "streams" / "v1").is_symlink())

    def test_a_version_is_not_written_over(self) -> None:
        self.put("1.0")
        self.assertRaises(Conflict, self.put, "1.0")
        self.assertEqual(self.problems(), [])

    def test_what_could_not_be_listed_is_refused(self) -> None:
        file = self.files / "x"
        file.write_bytes(b"junk")
        for files in ({}, {"lxd.tar.xz": file}, {"lxd.tar.xz": file, "rootfs.squashfs": file}):
            with locked(self.root):
                self.assertRaises(Invalid, add_version, self.root, "docker", "1.0", "amd64", files)
        for image, version, arch in (("../x", "1.0", "amd64"), ("docker", "latest", "amd64"), ("docker", "1.0", "../x")):
            self.assertRaises(Invalid, self.put, version, image=image, arch=arch)
        self.assertFalse((self.root / "images").exists())

    def test_old_documents_are_swept_away(self) -> None:
        for number in range(5):
            self.put(f"1.{number}")
        self.assertEqual(sorted(each.name for each in (self.root / ".generations").iterdir()), ["4", "5"])

    def test_edge(self) -> None:
        self.put("1.0")
        self.put("2.0", edge=True)
        self.assertEqual(self.versions(), ["1.0"])
        self.assertEqual(len(self.images()["docker:edge:amd64"]["versions"]), 2)


class VerifyTests(FolderCase):
    def test_each_kind_of_damage(self) -> None:
        folder = self.put("1.0")
        good = (folder / "rootfs.squashfs").read_bytes()
        for content, said in (
            (b"x" + good[1:], "is said"), (good + b"x", "bytes, and"), (b"", "bytes, and"), (None, "No such file"),
        ):  # fmt: skip
            (folder / "rootfs.squashfs").unlink(missing_ok=True)
            if content is not None:
                (folder / "rootfs.squashfs").write_bytes(content)
            self.assertTrue(any(said in problem for problem in self.problems()), (said, self.problems()))

    def test_a_combined_hash(self) -> None:
        self.put("1.0")
        path = self.root / "streams/v1/images.json"
        both = sha256(metadata() + b"root" * 100)
        text = path.read_text()
        self.assertIn(both, text)
        path.write_text(text.replace(both, "0" * 64))
        self.assertEqual(len(self.problems()), 1)

    def test_documents_that_disagree(self) -> None:
        self.put("1.0")
        path = self.root / "streams/v1/index.json"
        path.write_text(path.read_text().replace("docker:amd64", "other:amd64"))
        self.assertEqual(len(self.problems()), 1)

    def test_no_stream(self) -> None:
        self.assertRaises(Invalid, self.problems)


class PruneTests(FolderCase):
    def setUp(self) -> None:
        super().setUp()
        for number in range(1, 7):
            self.put(f"{number}.0")

    def planned(
        self, policy: Policy | None = None, *, versions: int = 2, days: float = 0.0, at: float = NOW
    ) -> list[tuple[str, str]]:
        found = steps(self.root, Retention(versions=versions, days=days), policy or Policy(), at)
        return [(each.what, each.folder.name) for each in found]

    def do(self, policy: Policy | None = None, at: float = NOW) -> None:
        with locked(self.root):
            carry_out(self.root, steps(self.root, Retention(versions=2), policy or Policy(), at), policy or Policy())

    def test_a_dry_run_does_nothing(self) -> None:
        self.assertEqual(self.planned(), [(UNLIST, f"{number}.0") for number in (4, 3, 2, 1)])
        self.assertEqual(len(self.versions()), 6)

    def test_first_the_list_and_two_hours_later_the_files(self) -> None:
        self.do()
        self.assertEqual(self.versions(), ["6.0", "5.0"])
        self.assertEqual(self.problems(), [])
        folder = self.root / "images/docker/amd64/1.0"
        self.assertTrue((folder / "rootfs.squashfs").exists())
        marked = (folder / "pruned").stat().st_mtime
        self.assertEqual(self.planned(at=marked + 7200), [])
        self.do(at=marked + 7900)
        self.assertEqual(sorted(each.name for each in folder.parent.iterdir()), ["5.0", "6.0"])
        self.assertEqual(self.problems(), [])

    def test_what_is_pinned_stays_and_counts(self) -> None:
        policy = Policy(pins={"docker": Version("3.0")})
        self.assertEqual(self.planned(policy), [(UNLIST, "1.0")])

    def test_a_base_of_a_delta_stays(self) -> None:
        (self.root / "images/docker/amd64/6.0/rootfs.1.0.vcdiff").write_bytes(b"x")
        self.assertEqual(self.planned(), [(UNLIST, f"{number}.0") for number in (4, 3, 2)])

    def test_what_is_young_stays(self) -> None:
        made = (self.root / "images/docker/amd64/1.0/lxd.tar.xz").stat().st_mtime
        self.assertEqual(self.planned(days=1, at=made + 3600), [])
        self.assertEqual(len(self.planned(days=1, at=made + 2 * 86400)), 4)

    @given(st.integers(1, 7), st.integers(0, 6), st.sets(st.tuples(st.integers(1, 6), st.integers(1, 6))))
    def test_never_what_is_needed(self, versions: int, pin: int, deltas: set[tuple[int, int]]) -> None:
        folder = self.root / "images/docker/amd64"
        for path in folder.glob("*/*.vcdiff"):
            path.unlink()
        for new, base in deltas:
            if base < new:
                (folder / f"{new}.0" / f"rootfs.{base}.0.vcdiff").write_bytes(b"x")
        policy = Policy(pins={"docker": Version(f"{pin}.0")} if pin else {})
        gone = {name for what, name in self.planned(policy, versions=versions) if what == UNLIST}
        kept = {f"{number}.0" for number in range(1, 7)} - gone
        self.assertIn(f"{pin or 6}.0", kept)
        for new, base in deltas:
            if base < new and f"{new}.0" in kept and (not gone or f"{new}.0" in self.listed_first(versions, pin)):
                self.assertIn(f"{base}.0", kept)

    @staticmethod
    def listed_first(versions: int, pin: int) -> set[str]:
        newest = pin or 6
        return {f"{number}.0" for number in range(newest, max(0, newest - versions), -1)} | {
            f"{number}.0" for number in range(newest + 1, 7)
        }


class DeltaTests(FolderCase):
    def setUp(self) -> None:
        super().setUp()
        if shutil.which(PROGRAM) is None:
            raise SkipTest(f"{PROGRAM} is not installed")

    def deltas(self) -> list[str]:
        products = self.images()["docker:amd64"]["versions"]
        items = [item for version in products.values() for item in version["items"].values()]
        return sorted(item["path"].split("/")[-1] for item in items if item["ftype"] == "squashfs.vcdiff")

    def test_from_the_last_n(self) -> None:
        for number in range(4):
            self.put(f"1.{number}", NOISE + bytes([number]) * 1000, deltas=2)
        self.assertEqual(self.deltas(), [
            "rootfs.1.0.vcdiff", "rootfs.1.0.vcdiff", "rootfs.1.1.vcdiff", "rootfs.1.1.vcdiff", "rootfs.1.2.vcdiff",
        ])  # fmt: skip
        self.assertEqual(self.problems(), [])

    def test_one_that_saves_little_is_left_out(self) -> None:
        self.put("1.0", NOISE, deltas=2)
        self.put("1.1", os.urandom(200_000), deltas=2)
        self.assertEqual(self.deltas(), [])


class WrongDeltaTests(FolderCase):
    """A program that makes deltas of which something else comes."""

    def program(self, applied: str) -> None:
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        path = folder / PROGRAM
        script = f'#!/bin/sh\nfor last; do :; done\ncase "$1" in -e) echo x > "$last";; -d) {applied};; esac\n'
        path.write_text(script)
        path.chmod(0o755)
        self.patch(os, "environ", {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"})

    def test_it_is_refused(self) -> None:
        self.put("1.0", NOISE)
        for applied in ('echo other > "$last"', "exit 1"):
            self.program(applied)
            self.assertRaises(WebspacedError, self.put, "1.1", NOISE + b"more", deltas=1)
            self.assertEqual((self.versions(), self.problems()), (["1.0"], []))


class KilledTests(FolderCase):
    """As if the process ended at each call that changes the disk; the real kills are in tests/faults."""

    def calls(self) -> Iterator[int]:
        """Each number of calls after which it ends, until it ends by itself."""
        for number in range(1, 200):
            left = [number]

            def counted(original: Any, left: list[int] = left) -> Any:
                def call(*args: Any, **kwargs: Any) -> Any:
                    left[0] -= 1
                    if left[0] < 0:
                        raise KeyboardInterrupt
                    return original(*args, **kwargs)

                return call

            patches = [self.patch(Path, name, counted(getattr(Path, name))) for name in (
                "mkdir", "rename", "symlink_to", "unlink", "write_bytes", "touch",
            )]  # fmt: skip
            patches += [self.patch(os, "fsync", counted(os.fsync)), self.patch(shutil, "rmtree", counted(shutil.rmtree))]
            yield number
            for patch in patches:
                patch.restore()
            if left[0] >= 0:
                return
        self.fail("it never ends")

    def test_publish(self) -> None:
        self.put("0.1")
        ended = 0
        for number in self.calls():
            try:
                self.put(f"1.{number}")
            except KeyboardInterrupt:
                ended += 1
            self.assertEqual(self.problems(), [], number)
        self.assertGreater(ended, 8)
        self.put("9.0")
        self.assertIn("9.0", self.versions())
        self.assertFalse(list((self.root / ".incoming").iterdir()))

    def test_prune(self) -> None:
        ended = 0
        for number in self.calls():
            self.root = Path(self.mktemp()).absolute()
            try:
                for version in ("1.0", "2.0", "3.0"):
                    self.put(version)
                with locked(self.root):
                    carry_out(self.root, steps(self.root, Retention(versions=1), Policy(), NOW), Policy())
            except KeyboardInterrupt:
                ended += 1
            if (self.root / "streams/v1").exists():
                self.assertEqual(self.problems(), [], number)
        self.assertGreater(ended, 8)


class CommandTests(FolderCase):
    def setUp(self) -> None:
        super().setUp()
        for name in list(os.environ):
            if name.startswith("WSI_"):
                del os.environ[name]
        self.patch(os, "environ", {**os.environ, "WSI_DIRECTORIES": f"{{local: {self.root}}}"})
        self.said: list[str] = []
        for module in ("publish", "prune", "shown"):
            self.patch(__import__(f"webspaced.images.cli.{module}", fromlist=["give"]), "give", self.said.append)
        self.patch(__import__("webspaced.images.cli.shown", fromlist=["say"]), "say", self.said.append)
        self.patch(__import__("webspaced.base.commands", fromlist=["say"]), "say", self.said.append)

    def publish(self, version: str, *more: str) -> int:
        (self.files / "m").write_bytes(metadata())
        (self.files / "r").write_bytes(b"hsqs" + version.encode())
        return main([
            "publish", "docker", "--version", version, "--arch", "amd64", "--metadata", str(self.files / "m"),
            "--rootfs", str(self.files / "r"), *more,
        ])  # fmt: skip

    def test_publish_list_verify_prune(self) -> None:
        self.assertEqual([self.publish(version) for version in ("1.0", "1.1", "1.2")], [0, 0, 0])
        self.assertEqual(main(["list"]), 0)
        self.assertEqual(self.said[-1].split()[:2], ["amd64", "1.0"])
        self.assertEqual(main(["verify"]), 0)
        self.assertEqual(self.said[-1], "1 streams, 0 problems")
        self.assertEqual(main(["prune", "--keep", "1", "--dry-run"]), 0)
        self.assertEqual(self.said[-2:], ["list no more: docker/amd64/1.1", "list no more: docker/amd64/1.0"])
        self.assertEqual(len(self.versions()), 3)
        self.assertEqual(main(["prune", "--keep", "1"]), 0)
        self.assertEqual(self.versions(), ["1.2"])

    def test_mistakes_are_told(self) -> None:
        self.publish("1.0")
        self.assertEqual(self.publish("1.0"), 1)
        self.assertIn("is there already", self.said[-1])
        self.assertEqual(main(["publish", "docker", "--stream", "none"]), 1)
        self.assertIn("there is no stream none", self.said[-1])
        self.assertEqual(main(["publish", "docker"]), 1)
        self.assertIn("metadata and a root are needed", self.said[-1])

    def test_verify_fails_with_a_status(self) -> None:
        self.publish("1.0")
        (self.root / "images/docker/amd64/1.0/rootfs.squashfs").write_bytes(b"x")
        self.assertEqual(main(["verify", str(self.root)]), 1)

    def test_what_a_root_is_is_read_from_it(self) -> None:
        self.publish("1.0")
        (self.files / "r2").write_bytes(b"QFI\xfb" + b"disk")
        arguments = ["--metadata", str(self.files / "m"), "--rootfs", str(self.files / "r2")]
        self.assertEqual(main(["publish", "vm", "--version", "1", "--arch", "amd64", *arguments]), 0)
        items = self.images()["vm:amd64"]["versions"].popitem()[1]["items"]
        self.assertIn("disk-kvm.img", {item["ftype"] for item in items.values()})


class ServedTests(ServingCase):
    """A folder behind the server."""

    def setUp(self) -> None:
        super().setUp()
        self.folder = FolderCase("setUp")
        self.folder.mktemp = self.mktemp  # type: ignore[method-assign]
        self.folder.setUp()
        self.folder.put("1.0")

    def start(self) -> None:
        self.serve(WSI_DIRECTORIES=f"{{local: {self.folder.root}}}", WSI_RELEASES_REPOSITORIES="")

    def test_it_is_served_as_it_lies_there(self) -> None:
        self.start()
        self.assertEqual(self.get("/local/images/docker/amd64/1.0/rootfs.squashfs"), b"root" * 100)
        self.assertEqual(self.products("local"), self.folder.images())

    def test_what_is_published_appears(self) -> None:
        self.start()
        self.folder.put("1.1", b"new")
        self.advance(10)
        self.assertEqual(self.versions(stream="local"), ["1.1", "1.0"])
        self.assertEqual(self.get("/local/images/docker/amd64/1.1/rootfs.squashfs"), b"new")

    def test_what_is_pruned_is_served_for_a_while(self) -> None:
        self.folder.put("1.1")
        self.start()
        with locked(self.folder.root):
            carry_out(self.folder.root, steps(self.folder.root, Retention(versions=1), Policy(), NOW), Policy())
        self.advance(10)
        self.assertEqual(self.versions(stream="local"), ["1.1"])
        self.assertEqual(self.get("/local/images/docker/amd64/1.0/rootfs.squashfs"), b"root" * 100)

    def test_what_is_not_there_to_its_end_is_not_listed(self) -> None:
        self.start()
        half = self.folder.root / "images/docker/amd64/.2.0"
        half.mkdir()
        for name in ("lxd.tar.xz", "rootfs.squashfs"):
            (half / name).write_bytes(b"x")
        self.advance(10)
        self.assertEqual(self.versions(stream="local"), ["1.0"])
        self.assertEqual(self.kinds("local"), {})

    def test_a_manifest(self) -> None:
        manifest = self.folder.files / "manifest"
        manifest.write_text("aliases: [docker/latest]\n")
        named = {"lxd.tar.xz": self.folder.files / "metadata", "rootfs.squashfs": self.folder.files / "root"}
        with locked(self.folder.root):
            add_version(self.folder.root, "docker", "2.0", "amd64", {**named, "manifest.yaml": manifest})
        self.start()
        self.assertEqual(self.products("local")["docker:amd64"]["aliases"], "docker,docker/latest")
        self.assertEqual(Manifest(aliases=("docker/latest",)).aliases, ("docker/latest",))


