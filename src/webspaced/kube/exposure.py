"""Forwarded ports in a LoadBalancer Service: only ours come and go (server-side apply owns single entries).

A PUT or merge-patch of ``spec.ports`` would give every port another nodePort. The Service is the operator's: it is never
created here, its other ports and all nodePorts stay, and its list of ports is never made empty, which no API server allows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from webspaced.errors import Conflict, NotFound
from webspaced.interfaces import IExposure
from webspaced.kube.client import KubeClient
from webspaced.kube.resources import SERVICE, Document
from webspaced.lib.backoff import pauses
from webspaced.lib.deferreds import sleep

PREFIX = "webspaced-"
"""What the names of our ports begin with; the number follows (15 letters at most: RFC 6335)."""
FORMER_PREFIX = "ws-fwd-"
"""What a former daemon named them; they keep their names, and so their nodePorts."""
GATHER = 0.1
"""Seconds in which changes gather."""


@implementer(IExposure)
class ServicePorts:
    """See :class:`webspaced.interfaces.IExposure`."""

    log = Logger()

    def __init__(
        self,
        client: KubeClient,
        clock: IReactorTime,
        namespace: str,
        name: str,
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        """:param may_write: asked before each write: whether no other daemon can be writing."""
        self._client = client
        self._clock = clock
        self._namespace = namespace
        self._name = name
        self._may_write = may_write
        self._wanted: dict[int, frozenset[int]] = {}
        self._open = False
        self._differs = True
        self._pending: IDelayedCall | None = None
        self._writing: Deferred[None] | None = None
        self._told: set[int] = set()

    def want(self, uid: int, ports: Collection[int]) -> None:
        """See :class:`webspaced.interfaces.IExposure`."""
        wanted = frozenset(ports)
        if self._wanted.get(uid, frozenset()) == wanted:
            return
        if wanted:
            self._wanted[uid] = wanted
        else:
            self._wanted.pop(uid, None)
        self.check()

    def open(self) -> None:
        """See :class:`webspaced.interfaces.IExposure`."""
        self._open = True
        self.check()

    def check(self) -> None:
        """See :class:`webspaced.interfaces.IExposure`."""
        self._differs = True
        if self._open and self._writing is None and (self._pending is None or not self._pending.active()):
            self._pending = self._clock.callLater(GATHER, self._begin)

    def suspend(self) -> None:
        """See :class:`webspaced.interfaces.IExposure`."""
        self._differs = True
        if self._writing is not None:
            self._writing.cancel()

    async def close(self) -> None:
        """See :class:`webspaced.interfaces.IExposure`."""
        self._open = False
        if self._pending is not None and self._pending.active():
            self._pending.cancel()
        if self._writing is not None:
            self._writing.cancel()

    def _begin(self) -> None:
        writing = Deferred.fromCoroutine(self._write())
        writing.addErrback(lambda failure: failure.trap(CancelledError))
        if not writing.called:
            self._writing = writing.addCallback(self._written)

    def _written(self, _result: object) -> None:
        self._writing = None
        if self._differs:
            self.check()

    async def _write(self) -> None:
        waits = pauses(0.5, 30.0)
        while self._open and self._differs and self._may_write():
            self._differs = False
            try:
                await self._once()
            except CancelledError:
                raise
            except Exception as error:  # noqa: BLE001  (the wish stays, whatever is in its way)
                self._differs = True
                self.log.warn("the ports of the Service {name} could not be changed: {error}", event="kube.ports-failed",
                              name=self._name, error=str(error))  # fmt: skip
                await sleep(self._clock, next(waits))

    async def _once(self) -> None:
        try:
            service = await self._client.get(SERVICE, self._namespace, self._name)
        except NotFound as error:
            # Applying would make one, which is none that the operator knows of.
            raise Conflict(f"there is no Service {self._name} in {self._namespace}") from error
        ours, foreign = _split(service.get("spec", {}).get("ports") or ())
        wanted = self._possible(foreign)
        if not wanted and not foreign and ours:
            # Its last one stays, and leads nowhere, until another comes.
            wanted = {min(ours)}
        gone = {port for port, each in ours.items() if each["name"] != f"{PREFIX}{port}"} - wanted
        if gone and self._may_write():
            await self._remove_former(service, gone)
            # The rest, over what is there then.
            self._differs = True
        elif (wanted != ours.keys() or not all(map(_leads, ours.values()))) and self._may_write():
            # Forced: what others changed in our entries, and in no others, is ours again. But only over what was read: by
            # now another daemon may have written.
            names = {port: each["name"] for port, each in ours.items()}
            document = self._document(wanted, names, service["metadata"]["resourceVersion"])
            await self._client.apply(SERVICE, self._namespace, self._name, document, force=True)
            self.log.info(
                "the Service {name} has {count} forwarded ports",
                event="kube.ports-written",
                name=self._name,
                count=len(wanted),
            )

    def _possible(self, foreign: Iterable[int]) -> set[int]:
        wanted = {port for ports in self._wanted.values() for port in ports}
        taken = wanted & set(foreign)
        for port in taken - self._told:
            self.log.warn("port {port} of the Service {name} is not ours: the forward is not reached from outside",
                          event="kube.port-foreign", port=port, name=self._name)  # fmt: skip
        self._told = taken
        return wanted - taken

    async def _remove_former(self, service: Document, ports: Collection[int]) -> None:
        """Remove entries that a former daemon made. Applying without them would not do: they are that one's for ever.

        All others are put back as they were read, with their nodePorts: only without these would they get new ones.
        """
        left = [each for each in service["spec"]["ports"] if int(each["port"]) not in ports or not _is_tcp(each)]
        document = {**service, "spec": {**service["spec"], "ports": left}}
        await self._client.replace(SERVICE, self._namespace, self._name, document)
        self.log.info("{count} ports that a former webspaced left are removed from the Service {name}",
                      event="kube.ports-removed", count=len(ports), name=self._name)  # fmt: skip

    def _document(self, ports: Iterable[int], names: Mapping[int, str], version: str) -> dict[str, Any]:
        entries = [
            {"name": names.get(port, f"{PREFIX}{port}"), "port": port, "protocol": "TCP", "targetPort": port}
            for port in sorted(ports)
        ]
        metadata = {"name": self._name, "namespace": self._namespace, "resourceVersion": version}
        return SERVICE.document(metadata, spec={"ports": entries})


def _split(entries: Iterable[Document]) -> tuple[dict[int, Document], set[int]]:
    """Give our TCP ports, those of a former daemon too, and the others'."""
    tcp = {int(entry["port"]): entry for entry in entries if _is_tcp(entry)}
    ours = {port: each for port, each in tcp.items() if each.get("name") in (f"{PREFIX}{port}", f"{FORMER_PREFIX}{port}")}
    return ours, tcp.keys() - ours.keys()


def _is_tcp(entry: Document) -> bool:
    return bool(entry.get("protocol", "TCP") == "TCP")


def _leads(entry: Document) -> bool:
    """Whether an entry of ours leads where we wrote it to."""
    return bool(entry.get("targetPort") == int(entry["port"]))
