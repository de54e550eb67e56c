"""The fake release API says what the real ones say, and what they publish as examples is read."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.images.shapes import FORGEJO, GITHUB
from webspaced.images.sources.api import ReleaseApi
from webspaced.images.sources.requests import Requests
from webspaced.testing.releases import FakeReleases


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    return [shape(one) for one in value[:1]] if isinstance(value, list) else type(value).__name__


class ShapeTests(SynchronousTestCase):
    def test_members_and_types(self) -> None:
        for forgejo, published in ((False, GITHUB), (True, FORGEJO)):
            fake = FakeReleases("https://x", forgejo=forgejo)
            release = fake.add("a/b", "c/v1", {"lxd.amd64.tar.xz": b"x"})
            ours, theirs = shape(fake.release_document("a/b", release)), shape(published)
            (asset,), (other,) = ours.pop("assets"), theirs.pop("assets")
            self.assertEqual({key: ours.get(key) for key in theirs}, theirs)
            self.assertEqual({key: asset.get(key) for key in other}, other)
            if forgejo:
                self.assertFalse({"state", "digest", "updated_at", "url"} & set(asset))

    def test_what_is_published_is_read(self) -> None:
        requests = Requests(None, Clock(), lambda: 0.0, "https://api.github.com", None)  # type: ignore[arg-type]
        api = ReleaseApi(requests, "octocat", "Hello-World")
        (release,) = api._read(json.dumps([GITHUB]).encode())
        self.assertEqual((release.tag, release.prerelease, release.published), ("v1.0.0", False, 1361993732.0))
        (asset,) = release.assets
        self.assertEqual(asset.digest, "2151b604e3429bff440b9fbc03eb3617bc2603cda96c95b9bb05277f9ddba255")
        self.assertEqual((asset.size, asset.whole), (1024, True))
        (release,) = api._read(json.dumps([FORGEJO]).encode())
        (asset,) = release.assets
        self.assertEqual((asset.size, asset.whole, asset.digest), (786976, True, None))
        self.assertTrue(asset.url.startswith("https://codeberg.org/"))
