"""What is there of this service in the cluster, by webspace."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.internet.interfaces import IReactorTime

from webspaced.errors import NotFound, Unavailable
from webspaced.kube.client import KubeClient
from webspaced.kube.informer import Informer, slim
from webspaced.kube.resources import CERTIFICATE, Document, Resource, name_of, version_of
from webspaced.lib.deferreds import together
from webspaced.traefik.kube_cluster import WEBSPACE, Cluster
from webspaced.traefik.kube_objects import KINDS, Key


class Mirror:
    """The labelled objects of all kinds. ``told`` hears which object changed, and what it is or was."""

    def __init__(
        self,
        client: KubeClient,
        clock: IReactorTime,
        namespace: str,
        cluster: Cluster,
        told: Callable[[Key, Document], None],
    ) -> None:
        self._told = told
        # Without an issuer certificates are none of our business.
        kinds = [each for each in KINDS.values() if each != CERTIFICATE or cluster.cluster_issuer is not None]
        self._informers = {
            kind: Informer(client, clock, kind, namespace, cluster.selector, self._changed) for kind in kinds
        }
        self._by_webspace: dict[str, set[Key]] = {}
        self._left: dict[Key, Document] = {}

    async def begin(self) -> None:
        """Read everything and watch it from then on; ``Unavailable`` if that cannot be."""
        await together(self._begin(informer) for informer in self._informers.values())
        self._left.clear()
        for kind, informer in self._informers.items():
            self._left.update({(kind, name): document for name, document in informer.objects.items()})

    @staticmethod
    async def _begin(informer: Informer) -> None:
        try:
            await informer.begin()
        except NotFound as error:
            message = f"the cluster knows no {informer.resource}: install their custom resource definitions"
            raise Unavailable(message) from error

    async def refresh(self) -> None:
        """Read everything again."""
        await together(informer.refresh() for informer in self._informers.values())

    def stop(self) -> None:
        """Watch no more."""
        for informer in self._informers.values():
            informer.stop()

    def get(self, key: Key) -> Document | None:
        """Give an object, if it is there."""
        informer = self._informers.get(key[0])
        return informer.objects.get(key[1]) if informer else None

    def left(self, key: Key) -> Document | None:
        """Give an object as our last write left it, or as it was first found."""
        return self._left.get(key)

    def is_as_left(self, key: Key) -> bool:
        """Whether nobody has written an object since our last write."""
        found, left = self.get(key), self._left.get(key)
        return found is not None and left is not None and version_of(found) == version_of(left)

    def webspaces(self) -> set[str]:
        """Give the names of all webspaces of which something is there."""
        return {name for name in self._by_webspace if name}

    def of(self, webspace: str) -> dict[Key, Document]:
        """Give what is there of a webspace."""
        found = {key: self.get(key) for key in self._by_webspace.get(webspace, ())}
        return {key: document for key, document in found.items() if document is not None}

    def domains(self, webspace: str) -> Mapping[str, tuple[str, ...]]:
        """Give the certificates of a webspace that are there, with the domains on each."""
        return {
            name: tuple(document["spec"].get("dnsNames") or ())
            for (kind, name), document in self.of(webspace).items()
            if kind == CERTIFICATE
        }

    def wrote(self, resource: Resource, webspace: str, document: Document) -> None:
        """Say what a write of ours made of an object."""
        key = (resource, name_of(document))
        self._informers[resource].wrote(document)
        self._left[key] = slim(document)
        self._by_webspace.setdefault(webspace, set()).add(key)

    def removed(self, key: Key) -> None:
        """Say that an object is not there any more, or is not ours."""
        known = self.get(key)
        self._informers[key[0]].removed(key[1])
        self._left.pop(key, None)
        if known is not None:
            self._drop(webspace_of(known), key)

    def _drop(self, webspace: str, key: Key) -> None:
        keys = self._by_webspace.get(webspace, set())
        keys.discard(key)
        if not keys:
            self._by_webspace.pop(webspace, None)

    def _changed(self, resource: Resource, name: str, document: Document) -> None:
        key, webspace = (resource, name), webspace_of(document)
        if self.get(key) is None:
            self._drop(webspace, key)
        else:
            self._by_webspace.setdefault(webspace, set()).add(key)
        self._told(key, document)


def webspace_of(document: Document) -> str:
    """Give the webspace that an object says it is of, or nothing."""
    webspace: str = (document["metadata"].get("labels") or {}).get(WEBSPACE, "")
    return webspace
