"""The releases of one repository, from an API of GitHub's shape: GitHub, Forgejo, Gitea.

Sources: https://docs.github.com/rest/releases/releases, https://codeberg.org/api/swagger (``repoListReleases``). Forgejo has
no ``state``, ``digest`` and ``url`` of an asset: what it lists is there to its end.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from attrs import frozen
from zope.interface import implementer

from webspaced.errors import Unavailable
from webspaced.images.core.release import Asset, Release
from webspaced.images.interfaces import ISource
from webspaced.images.sources.requests import Requests, origin_of

PAGE = 100
"""Releases of a page: GitHub's most; Forgejo gives 50."""
MOST_PAGES = 20


@frozen
class _Page:
    etag: str | None
    releases: tuple[Release, ...]
    following: str | None


@implementer(ISource)
class ReleaseApi:
    """See `webspaced.images.interfaces.ISource`."""

    def __init__(self, requests: Requests, owner: str, repository: str) -> None:
        self._requests = requests
        path = f"repos/{quote(owner, safe='')}/{quote(repository, safe='')}/releases"
        self._first = f"{requests.api}/{path}?per_page={PAGE}&limit={PAGE}"
        self._pages: dict[str, _Page] = {}
        self._order: list[str] = []
        """The addresses of all pages, once they were asked for."""
        self._looks = 0

    async def releases(self) -> Sequence[Release]:
        place = self._due()
        page, is_same = await self._page(self._order[place] if self._order else self._first)
        if not is_same:
            # What comes in or goes moves all that follows.
            order = [*self._order[:place], self._order[place] if self._order else self._first]
            while page.following and len(order) < MOST_PAGES:
                order.append(page.following)
                page, _ = await self._page(page.following)
            self._order = order
        pages = [self._pages[url] for url in self._order]
        found = {release.tag: release for page in reversed(pages) for release in page.releases}
        return tuple(found.values())

    def _due(self) -> int:
        """Give which page is looked at now: every other time the first, where what is new appears, else the next other."""
        self._looks += 1
        others = len(self._order) - 1
        return 0 if others < 1 or self._looks % 2 else 1 + (self._looks // 2 - 1) % others

    async def fetch(
        self, asset: Asset, start: int, begin: Callable[[int], None], feed: Callable[[bytes], None]
    ) -> None:
        await self._requests.file(asset.url, start, begin, feed)

    async def _page(self, url: str) -> tuple[_Page, bool]:
        """Give a page, and whether it is as it was."""
        known = self._pages.get(url)
        answer = await self._requests.document(url, known.etag if known else None)
        if answer.status == 304 and known is not None:  # noqa: PLR2004
            return known, True
        following = answer.following
        if following is not None and origin_of(following) != origin_of(self._requests.api):
            following = None
        page = self._pages[url] = _Page(answer.etag, self._read(answer.body), following)
        return page, False

    def _read(self, body: bytes) -> tuple[Release, ...]:
        try:
            document: list[Any] = json.loads(body)
            if not isinstance(document, list):
                raise TypeError("it is no list")  # noqa: TRY301  (as what is no release below)
            return tuple(self._release(each) for each in document if not each.get("draft"))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"the list of releases is none: {type(error).__name__} {error}"
            raise Unavailable(message) from error

    def _release(self, document: Any) -> Release:
        moment = document.get("published_at") or document.get("created_at")
        return Release(
            tag=str(document["tag_name"]),
            assets=tuple(self._asset(each) for each in document.get("assets") or ()),
            prerelease=bool(document.get("prerelease")),
            published=datetime.fromisoformat(moment).timestamp() if moment else 0.0,
        )

    def _asset(self, document: Any) -> Asset:
        changed = document.get("updated_at") or document.get("created_at") or ""
        url = document.get("url") if self._requests.has_token else None
        digest = str(document.get("digest") or "")
        return Asset(
            # One that is replaced has a new id; one that is not there to its end yet keeps it.
            id=f"{self._requests.api} {document['id']} {document['size']} {changed}",
            name=str(document["name"]),
            size=int(document["size"]),
            # Files of private repositories are had by the API alone.
            url=str(url or document["browser_download_url"]),
            digest=digest.removeprefix("sha256:").lower() if digest.startswith("sha256:") else None,
            whole=document.get("state", "uploaded") == "uploaded",
        )
