"""One request to the API server of Kubernetes, in JSON: time limit, error mapping, and the watch.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/. Every call may be cancelled: its connection is closed.
Errors: ``NotFound``; ``AlreadyExists`` and ``FieldsTaken``, which are ``Conflict``; ``Changed`` for a resourceVersion that
is not the object's any more; ``Expired`` (410); ``Distrusted`` when we are not known or not allowed; ``Unavailable``,
``DeadlineExceeded``; ``RemoteError`` with the code for all else (400, 415, 422). No message holds a token.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar
from urllib.parse import urlencode

from attrs import frozen
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IResponse

from webspaced.core.json_text import parse as parse_json
from webspaced.errors import RemoteError, Unavailable
from webspaced.kube.access import Access
from webspaced.kube.answers import UNAUTHORIZED, Expired, error_of, read_document
from webspaced.kube.resources import WORDS, Document, Resource
from webspaced.kube.streams import read_lines
from webspaced.lib.deferreds import bounded
from webspaced.lib.measures import Calls, template
from webspaced.lib.webclient import UNREACHABLE, BodyTooLarge, BytesBody, read_body, reason

T = TypeVar("T")
REQUEST_TIMEOUT = 10.0
"""Seconds for a whole answer; a list is asked for in pages."""
PAGE = 250
LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes; etcd takes no object above 1.5 MiB, and a page of ours has less than a tenth of this."""
WATCH_SECONDS = 60
"""After these the server ends a watch by itself, and a new one goes on. One that lasts longer has stalled."""
WATCH_GRACE = 15.0
MANAGER = "webspaced"
"""Who owns the fields that we write."""
OK = 300
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
"""JSON is YAML; ``application/apply-patch+json`` does not exist."""


@frozen
class Listing:
    """All objects that there were at a resourceVersion, from which a watch goes on."""

    items: tuple[Document, ...]
    version: str


@frozen
class Event:
    """What a watch tells: ``kind`` is ``ADDED``, ``MODIFIED``, ``DELETED`` or ``BOOKMARK``.

    A bookmark's document has a resourceVersion and nothing else of use.
    """

    kind: str
    document: Document

    @property
    def version(self) -> str:
        """Give the resourceVersion from which a watch goes on after this."""
        version: str = self.document["metadata"]["resourceVersion"]
        return version


class KubeClient:
    """Requests to one cluster."""

    def __init__(self, agent: IAgent, clock: IReactorTime, access: Access) -> None:
        self._agent = agent
        self._access = access
        self.clock = self._clock = clock
        self.calls = Calls(clock, "kubernetes")

    @property
    def namespace(self) -> str:
        """Where we are, as far as the cluster's access tells."""
        return self._access.namespace

    async def get(self, resource: Resource, namespace: str, name: str) -> Document:
        """Give an object."""
        return await self._request("GET", resource.path(namespace, name))

    async def list_all(self, resource: Resource, namespace: str, selector: str = "") -> Listing:
        """Give all objects of a kind that a label selector finds, as they were at one moment."""
        path, query = resource.path(namespace), {"labelSelector": selector} if selector else {}
        items: list[Document] = []
        page = await self._request("GET", path, {**query, "limit": str(PAGE)})
        while True:
            items += page.get("items") or ()
            token = page["metadata"].get("continue")
            if not token:
                return Listing(tuple(items), page["metadata"]["resourceVersion"])
            try:
                page = await self._request("GET", path, {**query, "limit": str(PAGE), "continue": token})
            except Expired:
                # It changed for so long that the moment is forgotten: all at once, then.
                items.clear()
                page = await self._request("GET", path, query)

    async def create(self, resource: Resource, namespace: str, document: Document) -> Document:
        """Create an object and give it as it is now; ``AlreadyExists``."""
        query = {"fieldManager": MANAGER}
        return await self._request("POST", resource.path(namespace), query, document)

    async def replace(self, resource: Resource, namespace: str, name: str, document: Document) -> Document:
        """Put an object in the place of another; if it says a resourceVersion, only of that one (else ``Changed``).

        Equal ones are no change.
        """
        query = {"fieldManager": MANAGER}
        return await self._request("PUT", resource.path(namespace, name), query, document)

    async def apply(
        self, resource: Resource, namespace: str, name: str, document: Document, *, force: bool = False
    ) -> Document:
        """Make fields as the document has them, create the object if need be (server-side apply).

        Those that were applied earlier and are left out now vanish. ``FieldsTaken`` unless forced.
        """
        query = {"fieldManager": MANAGER, "force": "true" if force else "false"}
        return await self._request("PATCH", resource.path(namespace, name), query, document, kind=APPLY_PATCH)

    async def merge_patch(self, resource: Resource, namespace: str, name: str, patch: Document) -> Document:
        """Change single fields (RFC 7396): ``None`` removes, lists are replaced whole."""
        query = {"fieldManager": MANAGER}
        return await self._request("PATCH", resource.path(namespace, name), query, patch, kind=MERGE_PATCH)

    async def delete(self, resource: Resource, namespace: str, name: str, version: str = "") -> None:
        """Delete an object; with a resourceVersion, only if it is that one (else ``Changed``)."""
        options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if version:
            options["preconditions"] = {"resourceVersion": version}
        await self._request("DELETE", resource.path(namespace, name), body=options)

    async def may(self, verb: str, resource: Resource, namespace: str) -> bool:
        """Whether we have a right (https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/)."""
        about = {"verb": verb, "group": resource.group, "resource": resource.plural, "namespace": namespace}
        kind = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        told = await self._request("POST", path, body={**kind, "spec": {"resourceAttributes": about}})
        return bool(told["status"]["allowed"])

    async def watch(
        self, resource: Resource, namespace: str, version: str, told: Callable[[Event], None], selector: str = ""
    ) -> None:
        """Tell what changes after a resourceVersion, until the server ends that, which it does each minute.

        ``Expired`` if the version is too old, ``Unavailable`` if the connection is lost or silent. ``told`` must not raise.
        """
        query = {"watch": "true", "resourceVersion": version, "allowWatchBookmarks": "true"}
        query |= {"timeoutSeconds": str(WATCH_SECONDS)} | ({"labelSelector": selector} if selector else {})
        response = await self._answered("GET", resource.path(namespace), query)

        def told_line(line: bytes) -> None:
            told(_event(line))

        what = f"Kubernetes' watch of {resource}"
        try:
            await bounded(self._clock, WATCH_SECONDS + WATCH_GRACE, read_lines(response, told_line), what)
        except UNREACHABLE as error:
            raise _unreachable(error) from error

    async def _answered(self, method: str, path: str, query: Mapping[str, str]) -> IResponse:
        """Give a response whose body is still to come."""
        return await self.calls.measured(f"WATCH {template(path, WORDS)}", self._begun(method, path, query))

    async def _begun(self, method: str, path: str, query: Mapping[str, str]) -> IResponse:
        response = await self._reached(method, path, self._asked(method, path, query, None, ""))
        if response.code < OK:
            return response
        text = await bounded(self._clock, REQUEST_TIMEOUT, _whole(response), f"Kubernetes' answer to {method} {path}")
        raise error_of(response.code, text, _retry_after(response))

    async def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Document | None = None,
        *,
        kind: str = JSON,
    ) -> dict[str, Any]:
        work = self._exchange(method, path, query or {}, body, kind)
        return await self.calls.measured(f"{method} {template(path, WORDS)}", self._reached(method, path, work))

    async def _reached(self, method: str, path: str, work: Coroutine[Any, Any, T]) -> T:
        try:
            return await bounded(self._clock, REQUEST_TIMEOUT, work, f"Kubernetes' answer to {method} {path}")
        except UNREACHABLE as error:
            raise _unreachable(error) from error

    async def _exchange(
        self, method: str, path: str, query: Mapping[str, str], body: Document | None, kind: str
    ) -> dict[str, Any]:
        response = await self._asked(method, path, query, body, kind)
        text = await _whole(response)
        if response.code >= OK:
            raise error_of(response.code, text, _retry_after(response))
        return read_document(response.code, text)

    async def _asked(
        self, method: str, path: str, query: Mapping[str, str], body: Document | None, kind: str
    ) -> IResponse:
        response = await self._sent(method, path, query, body, kind, await self._access.token())
        if response.code != UNAUTHORIZED:
            return response
        # It may have been replaced a moment ago.
        await _whole(response)
        return await self._sent(method, path, query, body, kind, await self._access.token(renew=True))

    async def _sent(
        self, method: str, path: str, query: Mapping[str, str], body: Document | None, kind: str, token: str | None
    ) -> IResponse:
        headers = Headers({"Accept": [JSON], "User-Agent": [MANAGER]})
        if token is not None:
            headers.setRawHeaders("Authorization", [f"Bearer {token}"])
        if body is not None:
            headers.setRawHeaders("Content-Type", [kind])
        data = None if body is None else BytesBody(json.dumps(body).encode())
        url = f"{self._access.url}{path}" + (f"?{urlencode(query)}" if query else "")
        # The bare agent: no redirect is followed, so that nobody else sees the token.
        return await self._agent.request(method.encode(), url.encode(), headers, data)


def _event(line: bytes) -> Event:
    try:
        document = parse_json(line)
        kind, inner = document["type"], document["object"]
    except (ValueError, KeyError, TypeError) as error:
        message = "Kubernetes' watch told something that is no event"
        raise Unavailable(message) from error
    if kind == "ERROR":
        raise error_of(int(inner.get("code") or 500), json.dumps(inner))
    return Event(kind, inner)


async def _whole(response: IResponse) -> bytes:
    try:
        return await read_body(response, LARGEST_ANSWER)
    except BodyTooLarge as error:
        message = f"Kubernetes' answer has {error}"
        raise RemoteError(message, response.code) from error


def _retry_after(response: IResponse) -> str:
    said: str = (response.headers.getRawHeaders("Retry-After") or [""])[0]
    return said


def _unreachable(error: Exception) -> Exception:
    if any(each.check(CancelledError) for each in getattr(error, "reasons", ())):
        # It was given up; Twisted tells that as a connection that was lost.
        return CancelledError()
    return Unavailable(f"Kubernetes cannot be reached: {reason(error)}", retry_after=2.0)
