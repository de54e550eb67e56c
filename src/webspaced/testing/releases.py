"""A release API as GitHub and Forgejo have it, in memory or on loopback: for tests, and for trying the image server out.

What it answers has the members and types of the published examples (``tests/unit/images/shapes.py``), which a test compares.
Its files are at signed addresses that refuse a token, as GitHub's are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field
from twisted.web.resource import Resource

MADE_UP_TIME = "2021-08-26T17:46:40Z"
_JSON = b"application/json; charset=utf-8"


@define
class FakeAsset:
    """``arrived``: how many of its bytes are uploaded; GitHub lists it from the beginning."""

    id: int
    name: str
    content: bytes
    arrived: bool = True
    changed: str = MADE_UP_TIME


@define
class FakeRelease:
    """A release of a repository."""

    id: int
    tag: str
    assets: list[FakeAsset] = field(factory=list)
    prerelease: bool = False
    draft: bool = False
    published: str = MADE_UP_TIME


@define
class Asked:
    """A request, as a test looks at it."""

    method: str
    path: str
    headers: Mapping[str, str]
    status: int = 0


class FakeReleases(Resource):
    """The API below ``/``, and the files; as a resource of twisted.web."""

    isLeaf = True

    def __init__(
        self, base: str, *, token: str | None = None, forgejo: bool = False, digests: bool = True,
        limit: int | None = None, now: Callable[[], float] = lambda: 0.0,
    ) -> None:  # fmt: skip
        """Serve no repositories yet.

        :param base: the address at which this is reached.
        :param token: what opens private repositories, and lifts the limit.
        :param limit: how many documents are given without a token.
        """
        super().__init__()
        self.base, self.token, self.forgejo, self.digests = base, token, forgejo, digests
        self.repositories: dict[str, list[FakeRelease]] = {}
        self.private: set[str] = set()
        self.asked: list[Asked] = []
        self.left = limit
        self.reset = 0
        self.down = False
        self.cut: int | None = None
        """After how many bytes of a file the connection is lost."""
        self._now = now
        self._ids = iter(range(1, 10**9))

    def add(self, repository: str, tag: str, files: Mapping[str, bytes], **more: Any) -> FakeRelease:
        """Publish a release."""
        assets = [FakeAsset(next(self._ids), name, content) for name, content in files.items()]
        release = FakeRelease(next(self._ids), tag, assets, **more)
        self.repositories.setdefault(repository, []).insert(0, release)
        return release

    def replace(self, release: FakeRelease, name: str, content: bytes) -> None:
        """Upload a file anew."""
        kept = [asset for asset in release.assets if asset.name != name]
        release.assets[:] = [*kept, FakeAsset(next(self._ids), name, content)]

    def paths(self) -> list[str]:
        """Give the paths that were asked for."""
        return [each.path for each in self.asked]

    # --- answering

    def render(self, request: Any) -> Any:
        """Answer as the APIs do."""
        headers = {
            name.decode().lower(): values[0].decode() for name, values in request.requestHeaders.getAllRawHeaders()
        }
        asked = Asked(request.method.decode(), request.uri.decode(), headers)
        self.asked.append(asked)
        body = self._answer(request, headers)
        asked.status = request.code
        return body

    def _answer(self, request: Any, headers: Mapping[str, str]) -> Any:
        if self.down:
            return self._problem(request, 503, "Service Unavailable")
        segments = [part.decode() for part in request.postpath if part]
        if segments[:2] == ["api", "v1"]:
            segments = segments[2:]
        if segments[:1] == ["signed"]:
            return self._signed(request, headers, int(segments[1]))
        known = headers.get("authorization") == f"Bearer {self.token}"
        if segments[:1] == ["repos"] and segments[3:] == ["releases"]:
            return self._list(request, headers, "/".join(segments[1:3]), known)
        if segments[:1] == ["repos"] and segments[3:5] == ["releases", "assets"] and not self.forgejo:
            return self._asset(request, headers, "/".join(segments[1:3]), int(segments[5]), known)
        if segments[2:4] == ["releases", "download"]:
            return self._download(request, "/".join(segments[:2]), "/".join(segments[4:-1]), segments[-1], known)
        return self._problem(request, 404, "Not Found")

    def _list(self, request: Any, headers: Mapping[str, str], repository: str, known: bool) -> bytes:
        if repository not in self.repositories or (repository in self.private and not known):
            return self._problem(request, 404, "Not Found")
        shown = [each for each in self.repositories[repository] if known or not each.draft]
        size = int(request.args.get(b"per_page" if not self.forgejo else b"limit", [b"30"])[0])
        page = int(request.args.get(b"page", [b"1"])[0])
        if page * size < len(shown):
            path = request.uri.decode().partition("?")[0]
            following = f"{self.base}{path}?per_page={size}&limit={size}&page={page + 1}"
            request.setHeader(b"link", f'<{following}>; rel="next", <{self.base}{path}?page=9>; rel="last"'.encode())
        found = shown[(page - 1) * size : page * size]
        body = json.dumps([self.release_document(repository, each) for each in found]).encode()
        tag = f'W/"{hashlib.sha256(body).hexdigest()}"'
        is_same = headers.get("if-none-match") == tag
        if not self._count(request, free=known and is_same):
            return self._problem(request, 403, "API rate limit exceeded")
        request.setHeader(b"content-type", _JSON)
        request.setHeader(b"etag", tag.encode())
        if is_same:
            request.setResponseCode(304)
            return b""
        return body

    def _count(self, request: Any, *, free: bool) -> bool:
        if self.left is None:
            return True
        if self.left == 0 and self._now() >= self.reset:
            self.left = 60
        allowed = self.left > 0
        if allowed and not free:
            self.left -= 1
        request.setHeader(b"x-ratelimit-limit", b"60")
        request.setHeader(b"x-ratelimit-remaining", b"%d" % self.left)
        request.setHeader(b"x-ratelimit-reset", b"%d" % self.reset)
        return allowed

    def _problem(self, request: Any, status: int, message: str) -> bytes:
        request.setResponseCode(status)
        request.setHeader(b"content-type", _JSON)
        return json.dumps({"message": message, "documentation_url": "https://docs.github.com/rest"}).encode()

    def _asset(self, request: Any, headers: Mapping[str, str], repository: str, number: int, known: bool) -> bytes:
        asset = self._find(number)
        if asset is None or (repository in self.private and not known):
            return self._problem(request, 404, "Not Found")
        if headers.get("accept") != "application/octet-stream":
            request.setHeader(b"content-type", _JSON)
            return json.dumps(self.asset_document(repository, "", asset)).encode()
        return self._redirect(request, asset)

    def _download(self, request: Any, repository: str, tag: str, name: str, known: bool) -> Any:
        # On GitHub a token opens no page of the web site; Forgejo has the same address for both.
        is_open = repository not in self.private or (known and self.forgejo)
        releases = self.repositories.get(repository, []) if is_open else []
        assets = [asset for each in releases if each.tag == tag for asset in each.assets if asset.name == name]
        if not assets:
            return self._problem(request, 404, "Not Found")
        return self._content(request, {}, assets[0]) if self.forgejo else self._redirect(request, assets[0])

    def _redirect(self, request: Any, asset: FakeAsset) -> bytes:
        request.setResponseCode(302)
        request.setHeader(b"location", f"{self.base.replace('127.0.0.1', 'localhost')}/signed/{asset.id}?se=5".encode())
        return b""

    def _signed(self, request: Any, headers: Mapping[str, str], number: int) -> Any:
        asset = self._find(number)
        if "authorization" in headers:
            return self._problem(request, 400, "Only one auth mechanism allowed")
        if asset is None:
            return self._problem(request, 404, "Not Found")
        return self._content(request, headers, asset)

    def _content(self, request: Any, headers: Mapping[str, str], asset: FakeAsset) -> Any:
        from twisted.web.server import NOT_DONE_YET  # noqa: PLC0415

        content, size = asset.content, len(asset.content)
        start = headers.get("range", "").removeprefix("bytes=").removesuffix("-")
        if start.isdigit():
            request.setResponseCode(206)
            request.setHeader(b"content-range", f"bytes {start}-{size - 1}/{size}".encode())
            content = content[int(start) :]
        request.setHeader(b"content-type", b"application/octet-stream")
        request.setHeader(b"content-length", b"%d" % len(content))
        if self.cut is None:
            return content
        request.write(content[: self.cut])
        request.loseConnection()
        return NOT_DONE_YET

    def _find(self, number: int) -> FakeAsset | None:
        assets = (asset for each in self.repositories.values() for release in each for asset in release.assets)
        return next((asset for asset in assets if asset.id == number), None)

    # --- documents

    def release_document(self, repository: str, release: FakeRelease) -> dict[str, Any]:
        """Give a release as its API gives it."""
        api = f"{self.base}{'/api/v1' if self.forgejo else ''}/repos/{repository}/releases/{release.id}"
        listed = [each for each in release.assets if each.arrived or not self.forgejo]
        found: dict[str, Any] = {
            "id": release.id,
            "tag_name": release.tag,
            "target_commitish": "main",
            "name": release.tag,
            "body": "",
            "url": api,
            "html_url": f"{self.base}/{repository}/releases/tag/{release.tag}",
            "draft": release.draft,
            "prerelease": release.prerelease,
            "created_at": release.published,
            "published_at": None if release.draft and not self.forgejo else release.published,
            "assets": [self.asset_document(repository, release.tag, each) for each in listed],
        }
        return found

    def asset_document(self, repository: str, tag: str, asset: FakeAsset) -> dict[str, Any]:
        """Give an asset as its API gives it."""
        found: dict[str, Any] = {
            "id": asset.id,
            "name": asset.name,
            "size": len(asset.content),
            "download_count": 0,
            "created_at": asset.changed,
            "browser_download_url": f"{self.base}/{repository}/releases/download/{tag}/{asset.name}",
        }
        if self.forgejo:
            return {**found, "uuid": f"{asset.id:032x}", "type": "attachment"}
        digest = hashlib.sha256(asset.content).hexdigest()
        return {
            **found,
            "url": f"{self.base}/repos/{repository}/releases/assets/{asset.id}",
            "label": "",
            "state": "uploaded" if asset.arrived else "starter",
            "content_type": "application/octet-stream",
            "digest": f"sha256:{digest}" if self.digests and asset.arrived else None,
            "updated_at": asset.changed,
        }
