"""The Lease of webspaced in Kubernetes, and the label that leads Services to the pod that holds it.

Source: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1/.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from twisted.logger import Logger
from zope.interface import implementer

from webspaced.core.lease import Claim
from webspaced.errors import Changed, Conflict, NotFound
from webspaced.interfaces import ILeaderMark, ILease
from webspaced.kube.client import KubeClient
from webspaced.kube.resources import LEASE, POD, Document

LEADER_LABEL = "webspaced/leader"
MANAGED_BY = {"app.kubernetes.io/managed-by": "webspaced"}
CONFLICT = 409


@implementer(ILease)
class KubeLease:
    """See :class:`webspaced.interfaces.ILease`."""

    def __init__(
        self, client: KubeClient, namespace: str, name: str, duration: float, now: Callable[[], float]
    ) -> None:
        """:param now: the time of day, for people who look at the Lease; nobody's decision rests on it."""
        self._client = client
        self._namespace = namespace
        self._name = name
        self._duration = round(duration)
        self._now = now

    async def read(self) -> Claim | None:
        try:
            return _claim(await self._client.get(LEASE, self._namespace, self._name))
        except NotFound:
            return None

    async def write(self, holder: str, over: Claim | None) -> Claim:
        document = self._document(holder, None if over is None else over.version)
        try:
            if over is None:
                return _claim(await self._client.create(LEASE, self._namespace, document))
            return _claim(await self._client.replace(LEASE, self._namespace, self._name, document))
        except (Conflict, NotFound) as error:
            raise Changed(str(error), CONFLICT) from error

    def _document(self, holder: str, before: Document | None) -> dict[str, Any]:
        now = datetime.fromtimestamp(self._now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec: dict[str, Any] = {} if before is None else dict(before.get("spec") or {})
        if before is None or spec.get("holderIdentity", "") != holder:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = int(spec.get("leaseTransitions", -1)) + 1
        # Who gives it up says so as client-go does: nobody holds it, and it ends at once.
        spec |= {"holderIdentity": holder, "renewTime": now, "leaseDurationSeconds": self._duration if holder else 1}
        metadata: dict[str, Any] = {"name": self._name, "labels": MANAGED_BY}
        if before is not None:
            metadata = dict(before["metadata"])
        return LEASE.document(metadata, spec=spec)


def _claim(document: Document) -> Claim:
    holder = (document.get("spec") or {}).get("holderIdentity") or ""
    return Claim(str(holder), str(document["metadata"]["resourceVersion"]), document)


@implementer(ILeaderMark)
class PodLabel:
    """See :class:`webspaced.interfaces.ILeaderMark`: Services select the pod that has the label.

    Outside of a pod there is none, which is warned of.
    """

    log = Logger()

    def __init__(self, client: KubeClient, namespace: str, pod: str) -> None:
        self._client = client
        self._namespace = namespace
        self._pod = pod
        self._has_warned = False

    async def show(self, instead_of: str = "") -> None:
        if instead_of and instead_of != self._pod:
            # One that died keeps its label, and its container may be started again.
            await self._set(instead_of, None)
        if not await self._set(self._pod, "true") and not self._has_warned:
            # It is asked again and again.
            self._has_warned = True
            said = "there is no pod {pod} in {namespace} (leadership.pod): Services cannot find the webspaced that leads"
            self.log.warn(said, event="kube.pod-missing", pod=self._pod, namespace=self._namespace)

    async def hide(self) -> None:
        await self._set(self._pod, None)

    async def _set(self, pod: str, value: str | None) -> bool:
        """Label a pod; whether there is one."""
        patch = {"metadata": {"labels": {LEADER_LABEL: value}}}
        try:
            await self._client.merge_patch(POD, self._namespace, pod, patch)
        except NotFound:
            return False
        return True
