"""Requests to a release API and to where its files are: redirects, rate limits, and a token that goes nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse

from webspaced.errors import DeadlineExceeded, NotFound, Temporary, Unavailable
from webspaced.lib.deferreds import bounded, while_heard
from webspaced.lib.measures import Calls
from webspaced.lib.webclient import UNREACHABLE, BodyTooLarge, feed_body, read_body, reason

LARGEST_ANSWER = 32 * 1024 * 1024
LARGEST_FILE = 2**40
ANSWER_TIME = 30.0
"""Seconds for a document."""
SILENCE = 60.0
"""Seconds without a byte after which a download is given up; it goes on later where it ended."""
MOST_REDIRECTS = 5
_GOOD = frozenset({200, 206})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_AGENT = "webspaced-images"
_NO_ANSWER: tuple[type[Exception], ...] = (*UNREACHABLE, BodyTooLarge)


@frozen
class Answer:
    """A document: ``etag`` for the next question, ``following`` the address of the next page."""

    status: int
    body: bytes
    etag: str | None
    following: str | None


class Requests:
    """Asks one API, for all streams of it: what limits one of them limits all."""

    def __init__(self, agent: IAgent, clock: IReactorTime, now: Callable[[], float], api: str, token: str | None) -> None:
        """:param now: the time of day in seconds since the epoch, by which limits are told."""
        self._agent, self._clock, self._now = agent, clock, now
        self._origin = origin_of(api)
        self.api = api
        self._token = token
        self.calls = Calls(clock, "releases")
        self.left: int | None = None
        """How many requests the API said that it takes until its limit is renewed."""
        self._held_until = 0.0

    @property
    def has_token(self) -> bool:
        """Whether private repositories can be read."""
        return self._token is not None

    async def document(self, url: str, etag: str | None) -> Answer:
        """Give a document, or the status 304 if it is still the one with that ETag.

        :raises Temporary: the limit is reached, or nobody answers as they should.
        :raises NotFound: there is none.
        """
        self._heed_limit()
        work = self.calls.measured("document", self._document(url, etag))
        try:
            return await bounded(self._clock, ANSWER_TIME, work, "the list of releases")
        except DeadlineExceeded as error:
            raise Unavailable(str(error)) from error

    async def file(self, url: str, start: int, begin: Callable[[int], None], feed: Callable[[bytes], None]) -> None:
        """Hand on a file's bytes from an offset; see `webspaced.images.interfaces.ISource.fetch`."""

        def hand_on(heard: Callable[[], None]) -> Callable[[bytes], None]:
            def hand(piece: bytes) -> None:
                heard()
                feed(piece)

            return hand

        async def work(heard: Callable[[], None]) -> None:
            response = await self._get(url, {"Accept": "application/octet-stream", **_range(start)})
            if response.code not in _GOOD:
                abandon(response)
            self._check(response, url)
            begin(_start(response) if response.code == 206 else 0)  # noqa: PLR2004
            heard()
            await feed_body(response, LARGEST_FILE, hand_on(heard))

        try:
            await self.calls.measured("file", _as_coroutine(while_heard(self._clock, SILENCE, work, "a download")))
        except DeadlineExceeded as error:
            raise Unavailable(str(error)) from error
        except UNREACHABLE as error:
            message = f"{urlsplit(url).hostname} went away: {reason(error)}"
            raise Unavailable(message) from error

    async def _document(self, url: str, etag: str | None) -> Answer:
        accept = {"Accept": "application/json"}
        try:
            response = await self._get(url, {**accept, **({"If-None-Match": etag} if etag else {})})
            body = await read_body(response, LARGEST_ANSWER)
        except _NO_ANSWER as error:
            message = f"{self._origin[1]} is not reached: {reason(error)}"
            raise Unavailable(message) from error
        self._note_limit(response)
        if response.code != 304:  # noqa: PLR2004
            self._check(response, url)
        return Answer(response.code, body, _header(response, "etag"), _next(response))

    async def _get(self, url: str, headers: Mapping[str, str]) -> IResponse:
        for _ in range(MOST_REDIRECTS):
            response: IResponse = await self._agent.request(b"GET", url.encode("ascii"), self._headers(url, headers))
            where = _header(response, "location")
            if response.code not in _REDIRECTS or where is None:
                return response
            # Its body is of no use, and the connection neither.
            abandon(response)
            url = self._followed(url, where)
        message = "there is no end of redirects"
        raise Unavailable(message)

    def _followed(self, url: str, where: str) -> str:
        target = urljoin(url, where)
        secure = urlsplit(target).scheme
        if secure != "https" and not (secure == "http" and urlsplit(url).scheme == "http"):
            message = f"{urlsplit(url).hostname} leads to {secure}, which is not followed"
            raise Unavailable(message)
        if not target.isascii():
            message = f"{urlsplit(url).hostname} leads to an address that is none"
            raise Unavailable(message)
        return target

    def _headers(self, url: str, headers: Mapping[str, str]) -> Headers:
        found = {"User-Agent": _AGENT, **headers}
        # Files are on other hosts, with addresses that are signed for some minutes.
        if self._token is not None and origin_of(url) == self._origin:
            found["Authorization"] = f"Bearer {self._token}"
        return Headers({name: [value] for name, value in found.items()})

    def _check(self, response: IResponse, url: str) -> None:
        code = response.code
        if code in _GOOD:
            return
        if code in (404, 410):
            message = f"there is no {urlsplit(url).path} at {urlsplit(url).hostname}"
            raise NotFound(message)
        if code in (403, 429) and (wait := self._wait(response)) > 0:
            self._hold(wait)
        message = f"{urlsplit(url).hostname} answers {code}"
        raise Unavailable(message, self._held_for() or 1.0)

    # --- the limit (docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api)

    def _heed_limit(self) -> None:
        if self._held_for() > 0:
            message = f"{self._origin[1]} takes no more requests for {self._held_for():.0f} s"
            raise Temporary(message, self._held_for())

    def _held_for(self) -> float:
        return max(0.0, self._held_until - self._clock.seconds())

    def _hold(self, seconds: float) -> None:
        self._held_until = self._clock.seconds() + seconds

    def _note_limit(self, response: IResponse) -> None:
        self.left = _number(response, "x-ratelimit-remaining")
        if self.left == 0:
            self._hold(self._wait(response))

    def _wait(self, response: IResponse) -> float:
        after = _number(response, "retry-after")
        if after is not None:
            return float(after)
        reset = _number(response, "x-ratelimit-reset")
        if reset is None or _number(response, "x-ratelimit-remaining") not in (0, None):
            return 0.0
        # An hour is GitHub's longest; another clock may be wrong.
        return min(max(1.0, reset - self._now()), 3700.0)


async def _as_coroutine(deferred: Any) -> Any:
    return await deferred


def origin_of(url: str) -> tuple[str, str]:
    """Give the scheme and the host with its port."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def abandon(response: Any) -> None:
    """Close the connection of an answer whose body nobody reads."""
    feed_body(response, 0, lambda _piece: None).addErrback(lambda _failure: None).cancel()


def _range(start: int) -> Mapping[str, str]:
    return {"Range": f"bytes={start}-"} if start else {}


def _start(response: IResponse) -> int:
    said = (_header(response, "content-range") or "").removeprefix("bytes ").partition("-")[0]
    if not said.isdigit():
        message = "a part of a file comes without its place"
        raise Unavailable(message)
    return int(said)


def _header(response: IResponse, name: str) -> str | None:
    values: list[str] = response.headers.getRawHeaders(name, [])
    return values[0] if values else None


def _number(response: IResponse, name: str) -> int | None:
    text = _header(response, name) or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 18 else None  # noqa: PLR2004


def _next(response: IResponse) -> str | None:
    # RFC 8288, as these APIs write it: <address>; rel="next", <address>; rel="last"
    for link in (_header(response, "link") or "").split(","):
        address, _, parameters = link.partition(";")
        if 'rel="next"' in parameters:
            return address.strip().removeprefix("<").removesuffix(">")
    return None
