from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.images.made import asset, release
from webspaced.images.core.names import builds_of, image_and_version
from webspaced.images.core.release import Release
from webspaced.images.core.version import Version

OF_OCTOLXD = tuple(
    name
    for arch in ("amd64", "arm64")
    for name in (
        f"lxd.{arch}.tar.xz", f"lxd.{arch}.tar.xz.sha256", f"rootfs.{arch}.squashfs", f"rootfs.{arch}.squashfs.sha256",
        f"combined.{arch}.sha256",
    )
)  # fmt: skip


class TagTests(SynchronousTestCase):
    def test_of_octolxd(self) -> None:
        self.assertEqual(image_and_version("docker/v20.10.8-1"), ("docker", Version("v20.10.8-1")))
        self.assertEqual(image_and_version("a/b/v1.0.0"), ("a/b", Version("v1.0.0")))

    def test_what_it_silently_skipped(self) -> None:
        self.assertEqual(image_and_version("wordpress/v5.7-1"), ("wordpress", Version("v5.7-1")))
        self.assertEqual(image_and_version("debian/20240101"), ("debian", Version("20240101")))

    def test_others_are_none(self) -> None:
        for tag in ("v1.0.0", "docker", "docker/latest", "../v1", "a//v1", "a/../v1", "a/v1/2x/", "", "a/v1\n", "a b/v1"):
            self.assertIsNone(image_and_version(tag), tag)

    @given(st.text(alphabet="a./v1- %\\\n", max_size=12))
    def test_no_name_leaves_its_folder(self, tag: str) -> None:
        found = image_and_version(tag)
        if found is not None:
            image, version = found
            self.assertFalse({"", ".", ".."} & {*image.split("/"), version.text}, tag)


class BuildTests(SynchronousTestCase):
    def test_a_release_of_octolxds(self) -> None:
        builds = list(builds_of(release("docker/v1.0.0", *OF_OCTOLXD)))
        self.assertEqual([each.arch for each in builds], ["amd64", "arm64"])
        for each in builds:
            self.assertTrue(each.is_complete)
            self.assertEqual(set(each.roots), {"squashfs"})
            assert each.metadata and each.combined
            self.assertEqual(each.metadata.name, f"lxd.{each.arch}.tar.xz")
            self.assertEqual(each.combined.name, f"combined.{each.arch}.sha256")
            self.assertIn(f"rootfs.{each.arch}.squashfs", each.sums)

    def test_one_architecture_does_not_wait_for_the_other(self) -> None:
        amd, arm = builds_of(release("docker/v1.0.0", *OF_OCTOLXD[:5], "lxd.arm64.tar.xz"))
        self.assertEqual((amd.is_complete, arm.is_complete), (True, False))

    def test_what_is_not_there_to_its_end_does_not_count(self) -> None:
        assets = (asset("lxd.amd64.tar.xz"), asset("rootfs.amd64.squashfs", whole=False))
        (build,) = builds_of(Release(tag="docker/v1.0.0", assets=assets))
        self.assertFalse(build.is_complete)

    def test_more_kinds(self) -> None:
        names = (
            "metadata.amd64.tar.xz", "rootfs.amd64.tar.xz", "disk.amd64.qcow2", "image.amd64.tar.gz",
            "delta.amd64.v1.0.0.vcdiff", "manifest.yaml", "README.md",
        )  # fmt: skip
        (build,) = builds_of(release("docker/v1.1.0", *names))
        self.assertEqual(set(build.roots), {"root.tar.xz", "disk-kvm.img"})
        self.assertEqual(set(build.deltas), {"v1.0.0"})
        self.assertIsNotNone(build.unified)
        self.assertIsNotNone(build.manifest)

    def test_metadata_alone_is_nothing(self) -> None:
        (build,) = builds_of(release("docker/v1.0.0", "lxd.amd64.tar.xz"))
        self.assertFalse(build.is_complete)

    def test_a_tag_of_something_else(self) -> None:
        self.assertEqual(list(builds_of(release("v1.0.0", *OF_OCTOLXD))), [])
