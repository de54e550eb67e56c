from __future__ import annotations

from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.images.made import DAY, MOMENT, digest, listed, made_at, release
from webspaced.images.core.catalogue import Catalogue, catalogue_of
from webspaced.images.core.facts import Metadata
from webspaced.images.core.manifest import Manifest
from webspaced.images.core.products import Policy
from webspaced.images.core.version import Version

TAGS = st.builds(
    lambda image, major, minor, suffix: f"{image}/v{major}.{minor}{suffix}",
    st.sampled_from(["docker", "wp", "a/b"]), st.integers(0, 3), st.integers(0, 12), st.sampled_from(["", "-1", "-rc1"]),
)  # fmt: skip
SETS = st.lists(
    st.tuples(TAGS, st.booleans(), st.floats(MOMENT, MOMENT + 9 * DAY)), max_size=12, unique_by=lambda each: each[0]
)


def products(catalogue: Catalogue) -> dict[str, Any]:
    return dict(catalogue.images["products"])


class AgreementTests(SynchronousTestCase):
    @given(SETS, st.integers(0, 4))
    def test_index_images_and_files_agree(self, releases: list[tuple[str, bool, float]], most: int) -> None:
        made = [release(tag, prerelease=early, published=at) for tag, early, at in releases]
        catalogue = catalogue_of(listed(*made, metadata=Metadata()), Policy(most=most))
        self.assertEqual(catalogue.index["index"]["images"]["products"], list(products(catalogue)))
        named = {
            (item["path"], item["sha256"], item["size"])
            for product in products(catalogue).values()
            for version in product["versions"].values()
            for item in version["items"].values()
        }
        self.assertEqual(named, {(path, f.sha256, f.asset.size) for path, f in catalogue.files.items()})
        for product in products(catalogue).values():
            self.assertTrue(product["versions"])

    @given(SETS)
    def test_an_alias_is_of_one_product_and_architecture(self, releases: list[tuple[str, bool, float]]) -> None:
        made = [release(tag, prerelease=early, published=at) for tag, early, at in releases]
        catalogue = catalogue_of(listed(*made), Policy())
        aliases = [alias for product in products(catalogue).values() for alias in product["aliases"].split(",")]
        self.assertEqual(sorted(set(aliases)), sorted(aliases))


class FormTests(SynchronousTestCase):
    def test_of_octolxd(self) -> None:
        said = Metadata(
            properties={"os": "Ubuntu", "release": "focal", "description": "Docker", "variant": "docker", "version": "1"},
            created=MOMENT,
            expires=MOMENT + 365 * DAY,
        )
        catalogue = catalogue_of(listed(release("docker/v20.10.8-1"), metadata=said), Policy())
        tag = "docker/v20.10.8-1/"
        both = digest(f"{tag}lxd.amd64.tar.xz{tag}rootfs.amd64.squashfs")
        metadata = {
            "path": "images/docker/amd64/v20.10.8-1/lxd.tar.xz",
            "sha256": digest(f"{tag}lxd.amd64.tar.xz"),
            "size": 10,
            "combined_squashfs_sha256": both,
        }
        root = {
            "ftype": "squashfs",
            "path": "images/docker/amd64/v20.10.8-1/rootfs.squashfs",
            "sha256": digest(f"{tag}rootfs.amd64.squashfs"),
            "size": 10,
        }
        self.assertEqual(products(catalogue), {"docker:amd64": {
            "aliases": "docker",
            "arch": "amd64",
            "os": "Ubuntu",
            "release": "focal",
            "release_title": "focal",
            "variant": "docker",
            "version": "1",
            "support_eol": "2022-08-26",
            "versions": {"20210826_1746": {"label": "Docker", "items": {
                "lxd.tar.xz": {"ftype": "lxd.tar.xz", **metadata},
                "incus.tar.xz": {"ftype": "incus.tar.xz", **metadata},
                "rootfs.squashfs": root,
            }}},
        }})  # fmt: skip

    def test_every_kind(self) -> None:
        names = ("lxd.amd64.tar.xz", "rootfs.amd64.tar.xz", "disk.amd64.qcow2", "image.amd64.tar.gz")
        catalogue = catalogue_of(listed(release("docker/v1.0.0", *names)), Policy())
        (version,) = products(catalogue)["docker:amd64"]["versions"].values()
        items = version["items"]
        self.assertEqual(
            {each["ftype"] for each in items.values()},
            {"lxd.tar.xz", "incus.tar.xz", "root.tar.xz", "disk-kvm.img", "lxd_combined.tar.gz", "incus_combined.tar.gz"},
        )
        for flavour in ("lxd.tar.xz", "incus.tar.xz"):
            keys = {key for key in items[flavour] if key.startswith("combined")}
            self.assertEqual(keys, {"combined_rootxz_sha256", "combined_sha256", "combined_disk-kvm-img_sha256"})

    def test_requirements_under_both_names(self) -> None:
        policy = Policy(manifests={"docker": Manifest(requirements={"nesting": "true"}, end_of_life="2030-01-01")})
        product = products(catalogue_of(listed(release("docker/v1")), policy))["docker:amd64"]
        self.assertEqual(product["requirements"], {"nesting": "true"})
        self.assertEqual(product["lxd_requirements"], {"nesting": "true"})
        self.assertEqual(product["support_eol"], "2030-01-01")

    def test_deltas_name_a_key_that_is_listed(self) -> None:
        names = ("lxd.amd64.tar.xz", "rootfs.amd64.squashfs")
        new = release("docker/v1.2", *names, "delta.amd64.v1.1.vcdiff", "delta.amd64.v1.0.vcdiff")
        catalogue = catalogue_of(listed(release("docker/v1.0"), release("docker/v1.1"), new), Policy(most=2))
        versions = products(catalogue)["docker:amd64"]["versions"]
        deltas = [i for i in versions[max(versions)]["items"].values() if i["ftype"] == "squashfs.vcdiff"]
        self.assertEqual([each["delta_base"] for each in deltas], [min(versions)])
        self.assertEqual([each["path"] for each in deltas], ["images/docker/amd64/v1.2/rootfs.v1.1.vcdiff"])


class ChannelTests(SynchronousTestCase):
    def shown(self, policy: Policy, *tags: str, early: tuple[str, ...] = ()) -> dict[str, str]:
        """The newest version by alias."""
        made = [release(tag, prerelease=tag in early) for tag in (*tags, *early)]
        catalogue = catalogue_of(listed(*made), policy)
        return {alias: p.newest.build.version.text for p in catalogue.products for alias in p.aliases}

    def test_prereleases_are_edge(self) -> None:
        shown = self.shown(Policy(), "a/v1", "a/v2", "b/v1", early=("a/v3",))
        self.assertEqual(shown, {"a": "v2", "a/edge": "v3", "b": "v1"})

    def test_edge_has_what_is_newer_and_stable(self) -> None:
        self.assertEqual(self.shown(Policy(), "a/v1", "a/v4", early=("a/v3",)), {"a": "v4", "a/edge": "v4"})

    def test_a_pin_goes_back(self) -> None:
        self.assertEqual(self.shown(Policy(pins={"a": Version("1")}), "a/v1", "a/v2", "b/v2"), {"a": "v1", "b": "v2"})

    def test_what_is_older_than_a_pin_stays(self) -> None:
        made = listed(*(release(f"a/v{number}") for number in range(1, 6)))
        (product,) = catalogue_of(made, Policy(pins={"a": Version("3")})).products
        versions = [product.listed[key].build.version.text for key in sorted(product.listed)]
        self.assertEqual(versions, ["v1", "v2", "v3"])

    def test_a_version_is_withdrawn(self) -> None:
        self.assertEqual(self.shown(Policy(withdrawn={("a", Version("2"))}), "a/v1", "a/v2", "a/v3"), {"a": "v3"})
        self.assertEqual(self.shown(Policy(withdrawn={("a", Version("v3"))}), "a/v1", "a/v2", "a/v3"), {"a": "v2"})

    def test_aliases(self) -> None:
        policy = Policy(manifests={"a": Manifest(aliases=("b/latest", "c"))})
        self.assertEqual(self.shown(policy, "a/v1", early=("a/v2",)), {
            "a": "v1", "b/latest": "v1", "c": "v1", "a/edge": "v2", "b/latest/edge": "v2", "c/edge": "v2",
        })  # fmt: skip

    def test_versions_of_one_day_are_in_order(self) -> None:
        self.assertEqual(self.shown(Policy(), "a/v5.10.0", "a/v5.9.0"), {"a": "v5.10.0"})

    def test_a_late_rebuild_of_an_old_version_takes_no_alias(self) -> None:
        new, old = listed(release("a/v2"), release("a/v1"))
        catalogue = catalogue_of([new, made_at(old, MOMENT + 30 * DAY)], Policy())
        self.assertEqual(catalogue.products[0].newest.build.version.text, "v2")

    def test_the_same_architecture_is_told_apart_from_others(self) -> None:
        one, other = listed(release("a/v1"), release("a/v2"))
        other = evolve(other, build=evolve(other.build, arch="arm64"))
        self.assertEqual([p.id for p in catalogue_of([one, other], Policy()).products], ["a:amd64", "a:arm64"])
