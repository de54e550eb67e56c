"""The emulator: the API's paths over the objects. See the package for what it does and does not."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import Resource as WebResource
from twisted.web.server import NOT_DONE_YET, Request

from webspaced.kube.resources import Resource
from webspaced.testing.kube.errors import ApiError, expired, invalid, not_found
from webspaced.testing.kube.faults import Faults
from webspaced.testing.kube.kinds import KINDS
from webspaced.testing.kube.objects import Happening, Objects
from webspaced.testing.kube.watches import LONGEST, Watch, Wish, selects

REMEMBERED = 10_000
NAMESPACES = ("default", "kube-system", "webspaces")
WRITES = ("POST", "PUT", "PATCH", "DELETE")


@frozen
class Target:
    """What a path means; without a name a collection, without a namespace that of all."""

    resource: Resource
    namespace: str | None
    name: str


def target_of(path: str) -> Target:
    """Read a path of the API; 404 if it leads nowhere."""
    root, *steps = path.strip("/").split("/")
    group = "" if root == "api" else steps.pop(0) if root == "apis" and steps else None
    version, namespace = (steps.pop(0) if steps else ""), None
    if steps[:1] == ["namespaces"] and len(steps) > 2:  # noqa: PLR2004
        namespace, steps = steps[1], steps[2:]
    resource = KINDS.get((group or "", version, steps[0])) if steps and group is not None else None
    if resource is None or len(steps) > 2:  # noqa: PLR2004
        raise not_found("the server could not find the requested resource")
    return Target(resource, namespace, steps[1] if len(steps) == 2 else "")  # noqa: PLR2004


class KubeEmulator(WebResource):
    """A web resource that is the whole API. ``token``: the only one that is let in; ``None`` lets everybody in.

    ``asked`` has method and URL of the last requests, ``faults`` what shall go wrong.
    """

    isLeaf = True

    def __init__(
        self, clock: IReactorTime, token: str | None = None, namespaces: tuple[str, ...] = NAMESPACES
    ) -> None:
        super().__init__()
        self.asked: deque[tuple[str, str]] = deque(maxlen=REMEMBERED)
        self.faults = Faults()
        self.token = token
        self._clock = clock
        self._watches: list[Watch] = []
        self.objects = Objects(namespaces, self._happened)

    def writes(self) -> list[tuple[str, str]]:
        """Give method and URL of the requests that were to change something."""
        return [(method, url) for method, url in self.asked if method in WRITES]

    def end_watches(self) -> None:
        """End all watches, as a server does that is shut down."""
        for watch in list(self._watches):
            watch.end()

    def _happened(self, happening: Happening) -> None:
        for watch in list(self._watches):
            watch.tell(happening)

    def render(self, request: Request) -> Any:
        """Answer a request."""
        method, path = request.method.decode(), request.path.decode()
        self.asked.append((method, request.uri.decode()))
        if self.faults.hang:
            return NOT_DONE_YET
        request.setHeader("Content-Type", "application/json")
        try:
            self._let_in(request)
            self.faults.check(method, path)
            return self._answer(request, method, target_of(path))
        except ApiError as error:
            request.setResponseCode(error.code)
            return json.dumps(error.document()).encode()

    def _let_in(self, request: Request) -> None:
        said = request.getHeader("Authorization")
        if self.token is not None and said != f"Bearer {self.token}":
            raise ApiError(401, "Unauthorized", "Unauthorized")

    def _answer(self, request: Request, method: str, target: Target) -> Any:
        if method == "GET" and not target.name:
            watches = _argument(request, "watch") in ("true", "1")
            return self._watch(request, target) if watches else self._list(request, target)
        if method not in ("GET", "POST", "PUT", "PATCH", "DELETE") or bool(target.name) is (method == "POST"):
            raise ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        existed = self.objects.version
        document = self._changed(request, method, target)
        created = method == "POST" or (method == "PATCH" and self._is_new(target, existed))
        request.setResponseCode(201 if created else 200)
        return json.dumps(document).encode()

    def _is_new(self, target: Target, version: int) -> bool:
        last = self.objects.history[-1] if self.objects.history else None
        return last is not None and last.version > version and last.before is None

    def _changed(self, request: Request, method: str, target: Target) -> Mapping[str, Any]:
        key = (target.resource, target.namespace or "", target.name)
        manager = _argument(request, "fieldManager") or "unknown"
        if method == "GET":
            return self.objects.get(key)
        if method == "DELETE":
            self.objects.delete(key, _body(request).get("preconditions") or {})
            return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        document = _body(request)
        self._check_kind(method, target.resource, document)
        if method == "POST":
            return self.objects.create(target.resource, key[1], document, manager)
        if method == "PUT":
            return self.objects.replace(key, document, manager)
        return self._patched(request, key, document, manager)

    @staticmethod
    def _check_kind(method: str, resource: Resource, document: Mapping[str, Any]) -> None:
        said = document.get("apiVersion", resource.api_version), document.get("kind", resource.kind)
        if method != "PATCH" and said != (resource.api_version, resource.kind):
            raise ApiError(400, "BadRequest", f"{said[1]} in version {said[0]} cannot be handled as a {resource.kind}")

    def _patched(
        self, request: Request, key: tuple[Resource, str, str], patch: dict[str, Any], manager: str
    ) -> Mapping[str, Any]:
        kind = (request.getHeader("Content-Type") or "").partition(";")[0]
        if kind == "application/apply-patch+yaml":
            return self.objects.apply(key, patch, manager, force=_argument(request, "force") == "true")
        if kind == "application/merge-patch+json":
            return self.objects.merge_patch(key, patch, manager)
        raise ApiError(415, "UnsupportedMediaType", f"the body of the request was in an unknown format: {kind}")

    def _list(self, request: Request, target: Target) -> bytes:
        found = self.objects.find(target.resource, target.namespace)
        selector, limit = _argument(request, "labelSelector"), int(_argument(request, "limit") or 0)
        found = [each for each in found if selects(selector, each)]
        version, _, start = _argument(request, "continue").partition(":")
        first = int(start or 0)
        # A page is of the moment of the first one; here that moment is now, or it is forgotten.
        if version and int(version) != self.objects.version:
            raise expired("The provided continue parameter is too old")
        metadata = {"resourceVersion": str(self.objects.version)}
        page = found[first : first + limit] if limit else found[first:]
        if first + len(page) < len(found):
            metadata["continue"] = f"{self.objects.version}:{first + len(page)}"
        kind = {"apiVersion": target.resource.api_version, "kind": f"{target.resource.kind}List"}
        return json.dumps({**kind, "metadata": metadata, "items": page}).encode()

    def _watch(self, request: Request, target: Target) -> Any:
        if _argument(request, "sendInitialEvents") == "true":
            raise invalid("sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch")
        wish = Wish(
            resource=target.resource,
            namespace=target.namespace,
            selector=_argument(request, "labelSelector"),
            bookmarks=_argument(request, "allowWatchBookmarks") in ("true", "1"),
            seconds=float(_argument(request, "timeoutSeconds") or LONGEST),
        )

        def ended() -> None:
            self._watches.remove(watch)
            request.finish()

        watch = Watch(self._clock, wish, self.faults, request.write, ended)
        self._watches.append(watch)
        request.notifyFinish().addErrback(lambda _: self._hung_up(watch))
        # The headers go out at once.
        request.write(b"")
        self._catch_up(watch, wish, _argument(request, "resourceVersion"))
        return NOT_DONE_YET

    def _catch_up(self, watch: Watch, wish: Wish, version: str) -> None:
        try:
            if version in ("", "0"):
                for each in self.objects.find(wish.resource, wish.namespace):
                    if selects(wish.selector, each):
                        watch.send("ADDED", each)
            else:
                for happening in self.objects.since(int(version)):
                    watch.tell(happening)
        except ApiError as error:
            watch.send("ERROR", error.document())
            watch.end()
            return
        watch.begin(lambda: self.objects.version)

    def _hung_up(self, watch: Watch) -> None:
        watch.forget()
        self._watches.remove(watch)


def _argument(request: Request, name: str) -> str:
    values = request.args.get(name.encode())
    return str(values[0].decode()) if values else ""


def _body(request: Request) -> dict[str, Any]:
    text = request.content.read() if request.content else b""
    try:
        document = json.loads(text or b"{}")
    except ValueError as error:
        raise ApiError(400, "BadRequest", "the object provided is unrecognized") from error
    if not isinstance(document, dict):
        raise ApiError(400, "BadRequest", "the object provided is unrecognized")
    return document
