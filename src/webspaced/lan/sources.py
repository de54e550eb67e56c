"""Where peers are known from. What a source knew stays while it cannot be asked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from ipaddress import ip_address
from typing import Any, Protocol, TypeAlias

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from webspaced.errors import WebspacedError
from webspaced.kube.client import KubeClient
from webspaced.kube.informer import Informer
from webspaced.kube.resources import ENDPOINT_SLICE, POD, Document, Resource
from webspaced.lan.overlay import IPAddress

Found: TypeAlias = Mapping[str, frozenset[IPAddress]]
"""Addresses by what they are known from: a Service, a selector, a name."""
SERVICE_NAME = "kubernetes.io/service-name"
RELIST = 60.0
"""Seconds after which a cluster is listed again: nobody's stream is trusted for ever."""
OVER = frozenset(("Succeeded", "Failed"))


class Source(Protocol):
    """One of them."""

    def found(self) -> Found | None:
        """Give what is known; ``None`` as long as nothing is."""

    def age(self) -> float:
        """Give the seconds since it was confirmed."""

    async def look(self) -> None:
        """Ask again, if it is time. Nothing is raised: what fails is told, and tried again."""

    def stop(self) -> None:
        """Ask no more."""


@define
class Fixed:
    """A list."""

    _peers: Collection[IPAddress]

    def found(self) -> Found:
        """Give it."""
        return {"": frozenset(self._peers)}

    def age(self) -> float:
        """Give 0: it is as it is."""
        return 0.0

    async def look(self) -> None:
        """Nothing is to be asked."""

    def stop(self) -> None:
        """Nothing is to be stopped."""


Lookup: TypeAlias = Callable[[str], Deferred[Iterable[str]]]


@define
class Names:
    """Names of the DNS, each with all of its addresses."""

    log = Logger()
    _clock: IReactorTime
    _names: Collection[str]
    _lookup: Lookup
    _changed: Callable[[], None]
    _found: dict[str, frozenset[IPAddress]] = field(factory=dict, init=False)
    _at: float = field(default=float("-inf"), init=False)

    def found(self) -> Found | None:
        """Give the addresses by name, once every name has some."""
        return self._found if len(self._found) == len(set(self._names)) else None

    def age(self) -> float:
        """Give the seconds since all were looked up."""
        return self._clock.seconds() - self._at

    async def look(self) -> None:
        """Look all up."""
        before, whole = dict(self._found), True
        for name in self._names:
            try:
                self._found[name] = frozenset(ip_address(each) for each in await self._lookup(name))
            except (OSError, ValueError) as error:
                whole = False
                self.log.warn("{host} is not found: {error}", event="lan.name-lost", host=name, error=str(error))
        if whole:
            self._at = self._clock.seconds()
        if self._found != before:
            self._changed()

    def stop(self) -> None:
        """Nothing is to be stopped."""


class Watched:
    """Objects of a cluster, by an informer."""

    log = Logger()

    def __init__(
        self, client: KubeClient, clock: IReactorTime, kind: Resource, namespace: str, selector: str,
        read: Callable[[Document], tuple[str, Iterable[str]]], changed: Callable[[], None],
    ) -> None:  # fmt: skip
        """:param read: gives from what an object's addresses are known, and these."""
        self._clock = clock
        self._read = read
        self._what = f"{kind} of {namespace}"
        self._informer = Informer(client, clock, kind, namespace, selector, lambda *_: changed())
        self._changed = changed
        self._is_known = False
        self._at = float("-inf")

    def found(self) -> Found | None:
        """Give the addresses by Service or selector."""
        if not self._is_known:
            return None
        found: dict[str, frozenset[IPAddress]] = {}
        for document in self._informer.objects.values():
            name, addresses = self._read(document)
            found[name] = found.get(name, frozenset()) | _addresses(addresses)
        return found

    def age(self) -> float:
        """Give the seconds since all were listed: a watch that ends is begun again by a list."""
        return self._clock.seconds() - self._at

    async def look(self) -> None:
        """List, if that was some time ago; the first list begins the watch."""
        if self.age() < RELIST:
            return
        try:
            await (self._informer.refresh() if self._is_known else self._informer.begin())
        except WebspacedError as error:
            self.log.warn(
                "{what} cannot be listed, and the peers stay as they are: {error}",
                event="lan.cluster-lost", what=self._what, error=str(error),
            )  # fmt: skip
            return
        self._is_known, self._at = True, self._clock.seconds()
        self._changed()

    def stop(self) -> None:
        """Watch no more."""
        self._informer.stop()


def slices(
    client: KubeClient, clock: IReactorTime, namespace: str, services: Iterable[str], changed: Callable[[], None]
) -> Watched:
    """Give the source of a namespace's Services: all addresses of their EndpointSlices, ready or not."""
    selector = f"{SERVICE_NAME} in ({','.join(sorted(services))})"
    return Watched(client, clock, ENDPOINT_SLICE, namespace, selector, _of_slice, changed)


def pods(client: KubeClient, clock: IReactorTime, namespace: str, selector: str, changed: Callable[[], None]) -> Watched:
    """Give the source of pods with labels, as soon as they have an address."""
    return Watched(client, clock, POD, namespace, selector, lambda document: (selector, _of_pod(document)), changed)


def _of_slice(document: Document) -> tuple[str, Iterable[str]]:
    about = document["metadata"]
    name = f"{about['namespace']}/{(about.get('labels') or {}).get(SERVICE_NAME, '')}"
    return name, [each for endpoint in document.get("endpoints") or () for each in endpoint.get("addresses") or ()]


def _of_pod(document: Document) -> Iterable[str]:
    status: Any = document.get("status") or {}
    if status.get("phase") in OVER:
        return ()
    return [each["ip"] for each in status.get("podIPs") or ()] or [status["podIP"]] if status.get("podIP") else ()


def _addresses(texts: Iterable[str]) -> frozenset[IPAddress]:
    """Read them; a slice may have host names instead (``addressType: FQDN``)."""
    found = set()
    for text in texts:
        try:
            found.add(ip_address(text))
        except ValueError:
            continue
    return frozenset(found)
