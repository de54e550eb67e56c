from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.images.made import facts_of, release
from tests.unit.images.test_names import OF_OCTOLXD
from webspaced.images.core.facts import Facts, read_metadata, read_sum
from webspaced.images.core.manifest import Manifest, merged, read_manifest
from webspaced.images.core.names import Build, builds_of
from webspaced.images.core.verdict import KINDS, Hidden, Listed, judge


class VerdictTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.build, _ = builds_of(release("docker/v1.0.0", *OF_OCTOLXD))
        self.facts = facts_of(self.build)

    def hidden(self, build: Build, facts: Facts) -> tuple[str, str]:
        found = judge(build, facts)
        assert isinstance(found, Hidden), found
        self.assertIn(found.kind, KINDS)
        return found.kind, found.detail

    def test_listed(self) -> None:
        found = judge(self.build, self.facts)
        assert isinstance(found, Listed), found
        self.assertEqual(set(found.combined), {"squashfs"})

    def test_incomplete(self) -> None:
        self.assertEqual(self.hidden(evolve(self.build, roots={}), self.facts)[0], "incomplete")

    def test_not_before_all_is_read(self) -> None:
        for lacking in ("sha256", "combined", "metadata", "texts"):
            self.assertEqual(self.hidden(self.build, evolve(self.facts, **{lacking: {}}))[0], "unread", lacking)

    def test_a_file_that_cannot_be_read(self) -> None:
        facts = evolve(self.facts, troubles={self.build.files[0].id: "no metadata.yaml in it"})
        self.assertEqual(self.hidden(self.build, facts), ("unreadable", "lxd.amd64.tar.xz: no metadata.yaml in it"))

    def test_another_digest(self) -> None:
        assert self.build.metadata
        build = evolve(self.build, metadata=evolve(self.build.metadata, digest="0" * 64))
        kind, detail = self.hidden(build, self.facts)
        self.assertEqual(kind, "differs")
        self.assertIn("0" * 64, detail)

    def test_another_published_sum(self) -> None:
        for text in ("1" * 64, "<html>not found</html>", ""):
            sums = self.build.sums["rootfs.amd64.squashfs"]
            facts = evolve(self.facts, texts={**self.facts.texts, sums.id: text})
            self.assertEqual(self.hidden(self.build, facts)[0], "differs", text)

    def test_another_combined_hash(self) -> None:
        assert self.build.combined
        facts = evolve(self.facts, texts={**self.facts.texts, self.build.combined.id: "2" * 64})
        kind, detail = self.hidden(self.build, facts)
        self.assertEqual(kind, "differs")
        self.assertIn("combined.amd64.sha256", detail)

    def test_a_wrong_manifest(self) -> None:
        (build,) = builds_of(release("a/v1", "lxd.amd64.tar.xz", "rootfs.amd64.squashfs", "manifest.yaml"))
        assert build.manifest
        facts = evolve(facts_of(build), texts={build.manifest.id: "aliases: no"})
        self.assertEqual(self.hidden(build, facts)[0], "unreadable")


class FactTests(SynchronousTestCase):
    def test_sums(self) -> None:
        self.assertEqual(read_sum("A" * 64 + "  rootfs.squashfs\n"), "a" * 64)
        for text in ("a" * 63, "a" * 65, "g" * 64, ""):
            self.assertIsNone(read_sum(text))

    def test_metadata(self) -> None:
        found = read_metadata("creation_date: 5\nexpiry_date: 6\nproperties: {os: Ubuntu, release: 20.04, x: null}\n")
        self.assertEqual((found.created, found.expires), (5.0, 6.0))
        self.assertEqual(found.properties, {"os": "Ubuntu", "release": "20.04"})

    def test_metadata_that_would_fill_the_memory(self) -> None:
        lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
        found = read_metadata("\n".join([*lines, "properties: {os: *a11, release: focal, built: 2024-01-01}"]))
        self.assertEqual(found.properties, {"release": "focal", "built": "2024-01-01"})

    def test_metadata_that_says_nothing_of_use(self) -> None:
        for text in ("", "[]", "a: [", "\0", "- " * 10_000):
            self.assertRaises(ValueError, read_metadata, text)
        self.assertEqual(read_metadata("creation_date: tomorrow\nproperties: 3\n").created, 0.0)


class ManifestTests(SynchronousTestCase):
    def test_read(self) -> None:
        found = read_manifest("aliases: [a/latest]\nend_of_life: 2027-04-30\nrequirements: {nesting: true}\nos: Ubuntu\n")
        self.assertEqual(found, Manifest(
            aliases=("a/latest",), end_of_life="2027-04-30", requirements={"nesting": "true"}, texts={"os": "Ubuntu"},
        ))  # fmt: skip
        self.assertEqual(read_manifest(""), Manifest())

    def test_wrong_ones(self) -> None:
        for text in (
            "aliases: [a,b]\nx: 1", "aliases: ['a,b']", "aliases: a", "end_of_life: soon", "requirements: [a]",
            "requirements: {'a b': x}", "os: ''", "os: [a]", "- a", "a: [", 'os: "a\\nb"',
        ):  # fmt: skip
            self.assertRaises(ValueError, read_manifest, text)

    def test_settings_go_before(self) -> None:
        under = Manifest(aliases=("a",), end_of_life="2020-01-01", requirements={"a": "1", "b": "1"}, texts={"os": "A"})
        over = Manifest(aliases=("b",), requirements={"b": "2"})
        self.assertEqual(merged(under, over), Manifest(
            aliases=("a", "b"), end_of_life="2020-01-01", requirements={"a": "1", "b": "2"}, texts={"os": "A"},
        ))  # fmt: skip
