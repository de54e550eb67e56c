from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.images.core.keys import version_keys
from webspaced.images.core.version import Version

NUMBERS = st.lists(st.integers(0, 10**6), min_size=1, max_size=4)
VERSIONS = st.from_regex(r"v?[0-9]{1,3}([.+~_-]([0-9]{1,3}|[a-z]{1,6})){0,4}", fullmatch=True).map(Version)
MOMENTS = st.floats(0, 4_000_000_000)


class OrderTests(SynchronousTestCase):
    def test_by_meaning(self) -> None:
        ordered = [
            "1.0-alpha.1", "1.0-alpha.2", "1.0-beta", "1.0-rc1", "1.0-rc2", "1.0-rc10", "1.0", "1.0-1", "1.0-2", "1.0-9",
            "1.0-10", "1.0.1", "v1.2", "1.9", "1.10", "2.0-rc1", "2.0", "20210801", "20210801.1", "20210802",
        ]  # fmt: skip
        self.assertEqual([each.text for each in sorted(map(Version, reversed(ordered)))], ordered)

    def test_a_v_means_nothing(self) -> None:
        self.assertLess(Version("v1.9"), Version("1.10"))
        self.assertLess(Version("1.9"), Version("v1.10"))

    @given(NUMBERS, NUMBERS)
    def test_numbers_are_compared_as_numbers(self, one: list[int], other: list[int]) -> None:
        first, second = (Version(".".join(map(str, each))) for each in (one, other))
        self.assertEqual(first < second, one < other)

    @given(VERSIONS, VERSIONS, VERSIONS)
    def test_it_is_an_order(self, a: Version, b: Version, c: Version) -> None:
        self.assertEqual([a < b, a == b, b < a].count(True), 1)
        if a < b < c:
            self.assertLess(a, c)


class KeyTests(SynchronousTestCase):
    @given(st.dictionaries(VERSIONS, MOMENTS, max_size=30))
    def test_the_greatest_string_is_the_newest(self, made: dict[Version, float]) -> None:
        keys = version_keys(made)
        self.assertEqual([keys[each] for each in sorted(made)], sorted(set(keys.values())))
        for key in keys.values():
            self.assertRegex(key, r"^\d{8}_\d{4}$")

    def test_it_tells_when_it_was_made(self) -> None:
        self.assertEqual(version_keys({Version("1"): 1_630_000_000.0}), {Version("1"): "20210826_1746"})

    def test_a_rebuild_of_an_old_version_is_not_the_newest(self) -> None:
        keys = version_keys({Version("5.8.0"): 1_630_000_000.0, Version("5.7.1"): 1_640_000_000.0})
        self.assertGreater(keys[Version("5.8.0")], keys[Version("5.7.1")])

    def test_releases_of_one_day(self) -> None:
        keys = version_keys({Version("v5.10.0"): 1_630_000_000.0, Version("v5.9.0"): 1_630_000_000.0})
        self.assertEqual(keys, {Version("v5.9.0"): "20210826_1746", Version("v5.10.0"): "20210826_1747"})
