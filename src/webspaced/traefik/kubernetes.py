"""Routes as objects of Kubernetes that Traefik's provider kubernetesCRD watches.

A write is compared with what is there first, so that nothing is written that need not be: one EndpointSlice when a webspace
starts or stops. Only objects with this service's labels are ever changed or deleted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from attrs import frozen
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from webspaced import errors
from webspaced.core.routes import Route
from webspaced.errors import Changed, Conflict, DeadlineExceeded, NotFound, RemoteError, Temporary, Unavailable
from webspaced.interfaces import IRouteStore
from webspaced.kube.answers import AlreadyExists
from webspaced.kube.client import KubeClient
from webspaced.kube.resources import CERTIFICATE, INGRESS_ROUTE, INGRESS_ROUTE_TCP, Document
from webspaced.lib.deferreds import sleep, together
from webspaced.traefik.document import changed
from webspaced.traefik.kube_certificates import CertificateWarnings
from webspaced.traefik.kube_cluster import INSTANCE, MANAGED_BY, OURS, Cluster
from webspaced.traefik.kube_inherited import Inherited
from webspaced.traefik.kube_mirror import Mirror, webspace_of
from webspaced.traefik.kube_objects import Key, Objects, is_as_written, read, render, replacement
from webspaced.traefik.kube_shared import Shared

AT_ONCE = 16
"""Requests; an API server serves them side by side."""
TRIES = 5
"""How often an object is looked at anew that others change at the same time."""
SLICE = 50
"""Webspaces that are looked at in one turn of the reactor."""
TAKING_UP = 0.1
"""Seconds in which Traefik gets to know of objects of all kinds, each of which it watches by itself. A few milliseconds are
usual; without a pause a change of kinds showed visitors a 404 until Traefik's next look, and a generation could be in
effect a whole throttle before the change that it tells of."""
ROUTES = (INGRESS_ROUTE, INGRESS_ROUTE_TCP)
SHARED = ""
"""Stands for what belongs to no one webspace."""


@frozen
class Plan:
    """What has to be done to a webspace's objects: write, then delete ``routes``, then what these led to."""

    writes: tuple[Key, ...]
    routes: tuple[Key, ...] = ()
    others: tuple[Key, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.writes or self.routes or self.others)


class _Foreign(Conflict):
    """An object of a name that we need is somebody else's."""


class _Surprise(Exception):
    """An object was not as it was thought to be, and has been read anew."""


@implementer(IRouteStore)
class KubernetesStore:
    """See :class:`webspaced.interfaces.IRouteStore`.

    What is refused (a quota, somebody else's name, an object that the API server does not take) is told; other routes go on.
    """

    log = Logger()

    def __init__(
        self,
        client: KubeClient,
        clock: IReactorTime,
        namespace: str,
        cluster: Cluster,
        close: Callable[[], Awaitable[None]],
    ) -> None:
        """:param close: ends the client's connections."""
        self._client = client
        self._clock = clock
        self._namespace = namespace
        self._cluster = cluster
        self._close = close
        self._mirror = Mirror(client, clock, namespace, cluster, self._noticed)
        self._shared = Shared(cluster)
        self._inherited = Inherited(client, namespace)
        self._has_written = False
        self._routes: dict[str, Route] = {}
        self._busy: set[str] = set()
        self._unjudged: set[tuple[str, Key]] = set()
        self._is_renewed = False
        self._certificates = CertificateWarnings(cluster)
        self._refused: dict[str, str] = {}
        self._differ: Callable[[Collection[str]], None] | None = None
        self._noted: set[str] = set()
        self._telling: IDelayedCall | None = None

    async def load(self) -> Mapping[str, Route]:
        await self._mirror.begin()
        self._shared.found(self._mirror.get(self._shared.key))
        self._routes = {}
        async for name in self._in_turns(self._mirror.webspaces()):
            route = read(name, self._mirror.of(name))
            if route is not None:
                self._routes[name] = route
        return dict(self._routes)

    async def apply(self, put: Mapping[str, Route], remove: Sequence[str]) -> int | None:
        self._routes = changed(self._routes, put, remove)
        self._certificates.consider(put.values())
        # The first time, and whenever nothing in particular is meant, everything is looked at.
        everything = not self._is_renewed or not (put or remove)
        if not self._is_renewed:
            await self._inherited.look()
        names = await self._unsettled() if everything else put.keys() | set(remove)
        self._has_written = False
        failures = await self._write_all([SHARED, *sorted(names)])
        written = None if SHARED in failures else await self._mark(failures)
        if SHARED in failures:
            # Part of it may be written: the caller tries all of it again.
            raise failures[SHARED]
        await self._inherited.keep(self._routes, None if everything else names)
        self._is_renewed = True
        if failures:
            refused = {name: str(error) for name, error in failures.items()}
            raise errors.PartlyWritten("Kubernetes refuses some routes", refused, written)
        return written

    async def _mark(self, failures: dict[str, Exception]) -> int | None:
        """Tell a generation after whatever was written: by one more small write, and only where Traefik is asked for it.

        Traefik watches each kind by itself: told at once, the generation could come to it before the slice it is to tell of.
        """
        if not self._cluster.is_asked or not self._has_written:
            return None
        await sleep(self._clock, TAKING_UP)
        generation = self._shared.tell()
        failures |= await self._write_all([SHARED])
        return generation

    async def differs(self) -> Collection[str] | None:
        await self._mirror.refresh()
        await self._inherited.look()
        await self._inherited.keep(self._routes)
        found = await self._unsettled()
        # What all share belongs to nobody: any write puts it right.
        return found if found or self._plan(SHARED) else None

    async def _unsettled(self) -> set[str]:
        """Give the webspaces of which something is not as it should be, and that are not being written."""
        names = self._routes.keys() | self._mirror.webspaces()
        return {name async for name in self._in_turns(names) if name not in self._busy and self._plan(name)}

    async def _in_turns(self, names: Collection[str]) -> AsyncIterator[str]:
        """Give names one by one, and the reactor its turn in between."""
        for number, name in enumerate(sorted(names)):
            if number % SLICE == SLICE - 1:
                await sleep(self._clock, 0)
            yield name

    def watch(self, differ: Callable[[Collection[str]], None]) -> None:
        self._differ = differ

    async def stop(self) -> None:
        self._differ = None
        if self._telling is not None and self._telling.active():
            self._telling.cancel()
        self._mirror.stop()
        await self._close()

    # --- what others do

    def _noticed(self, key: Key, document: Document) -> None:
        webspace = webspace_of(document)
        if webspace in self._busy:
            # It may be our own write, whose answer is still to come.
            self._unjudged.add((webspace, key))
        elif self._differ is not None and not self._is_wanted(key, self._wanted(webspace)):
            self._tell_of({webspace} - {SHARED})

    def _judge(self) -> None:
        unjudged, self._unjudged = self._unjudged, set()
        strange = [(webspace, key) for webspace, key in unjudged if not self._mirror.is_as_left(key)]
        wrong = {webspace for webspace, key in strange if not self._is_wanted(key, self._wanted(webspace))}
        if wrong:
            self._tell_of(wrong - {SHARED})

    def _is_wanted(self, key: Key, wanted: Objects) -> bool:
        found, document = self._mirror.get(key), wanted.get(key)
        if found is None or document is None:
            return found is None and document is None
        return is_as_written(found, document, self._mirror.left(key))

    def _tell_of(self, names: Iterable[str]) -> None:
        self._noted.update(names)
        if self._differ is not None and (self._telling is None or not self._telling.active()):
            self._telling = self._clock.callLater(0, self._tell)

    def _tell(self) -> None:
        names, self._noted = self._noted, set()
        if self._differ is not None:
            self._differ(names)

    # --- what is wanted

    def _wanted(self, webspace: str) -> Objects:
        if webspace == SHARED:
            return self._shared.objects
        route = self._routes.get(webspace)
        if route is None:
            return {}
        return self._inherited.with_old_port(render(route, self._cluster, self._mirror.domains(webspace)), webspace)

    def _plan(self, webspace: str) -> Plan:
        wanted = self._wanted(webspace)
        own = [self._shared.key] if self._mirror.get(self._shared.key) else []
        there = own if webspace == SHARED else self._mirror.of(webspace)
        deletions = sorted((key for key in there if key not in wanted), key=lambda key: key[1])
        return Plan(
            tuple(key for key in wanted if not self._is_wanted(key, wanted)),
            tuple(key for key in deletions if key[0] in ROUTES),
            tuple(key for key in deletions if key[0] not in ROUTES),
        )

    # --- writing

    async def _write_all(self, names: Sequence[str]) -> dict[str, Exception]:
        """Bring webspaces' objects up to date, several at a time, and give what failed, by the webspace."""
        failures: dict[str, Exception] = {}
        waiting = iter(names)
        self._busy.update(names)
        try:
            await together(self._work(waiting, failures) for _ in range(min(AT_ONCE, len(names))))
        finally:
            self._busy.difference_update(names)
        self._judge()
        return failures

    async def _work(self, waiting: Iterator[str], failures: dict[str, Exception]) -> None:
        for name in waiting:
            try:
                await self._write(name)
            except (Temporary, DeadlineExceeded, Conflict, RemoteError) as error:
                self._refuse(name, error)
                if name != SHARED or isinstance(error, Temporary | DeadlineExceeded):
                    failures[name] = error

    def _refuse(self, what: str, error: Exception) -> None:
        """Say what is not published, once for each reason."""
        if self._refused.get(what) != str(error):
            self._refused[what] = str(error)
            self.log.warn(
                "{what} is not published: {error}", event="kube.object-refused", what=what or OURS, error=str(error)
            )

    async def _write(self, webspace: str) -> None:
        said = ""
        for _ in range(TRIES):
            try:
                await self._carry_out(self._plan(webspace), webspace)
            except _Surprise as surprise:
                said = str(surprise)
                continue
            self._refused.pop(webspace, None)
            return
        message = f"others go on changing the objects of {webspace or OURS}: {said}"
        raise Unavailable(message)

    async def _carry_out(self, plan: Plan, webspace: str) -> None:
        """Write what routes lead to, then the routes, and delete in the opposite order.

        A webspace that moves from one kind of route to the other has a pause between these steps: the kinds come to Traefik
        on ways of their own, and what is new must be there before what was is gone.
        """
        wanted = self._wanted(webspace) if plan.writes else {}
        is_moving = bool(plan.routes) and webspace in self._routes
        backends = [key for key in plan.writes if key[0] not in ROUTES]
        routes = [key for key in plan.writes if key[0] in ROUTES]
        for key in backends:
            await self._put_one(key, wanted[key], webspace)
        if backends and is_moving:
            await sleep(self._clock, TAKING_UP)
        for key in routes:
            await self._put(key, wanted[key], webspace)
        if routes and is_moving:
            await sleep(self._clock, TAKING_UP)
        for key in plan.routes:
            await self._delete(key, webspace)
        if plan.others and is_moving:
            await sleep(self._clock, TAKING_UP)
        for key in plan.others:
            await self._delete(key, webspace)

    async def _put_one(self, key: Key, wanted: Document, webspace: str) -> None:
        put = self._put_certificate if key[0] == CERTIFICATE else self._put
        await put(key, wanted, webspace)

    async def _put_certificate(self, key: Key, wanted: Document, webspace: str) -> None:
        # The webspace can do without for a while, and others must not wait for cert-manager.
        try:
            await self._put(key, wanted, webspace)
        except (Temporary, DeadlineExceeded, Conflict, RemoteError) as error:
            self._refuse(f"the certificate {key[1]}", error)
        else:
            self._refused.pop(f"the certificate {key[1]}", None)

    async def _put(self, key: Key, wanted: Document, webspace: str) -> None:
        resource, name = key
        self._has_written = True
        found = self._mirror.get(key)
        try:
            if found is None:
                written = await self._client.create(resource, self._namespace, wanted)
            else:
                document = replacement(found, wanted)
                written = await self._client.replace(resource, self._namespace, name, document)
        except NotFound as error:
            if found is None:
                message = f"there is no namespace {self._namespace} to write to"
                raise Unavailable(message) from error
            await self._look(key, webspace)
        except (AlreadyExists, Changed) as error:
            await self._look(key, webspace, str(error))
        else:
            self._mirror.wrote(resource, webspace, written)

    async def _delete(self, key: Key, webspace: str) -> None:
        found = self._mirror.get(key)
        if found is None:
            return
        version = found["metadata"]["resourceVersion"]
        self._has_written = True
        try:
            await self._client.delete(key[0], self._namespace, key[1], version)
        except NotFound:
            # Then it is as wanted.
            self._mirror.removed(key)
        except Changed:
            # Whose it is now, if it is somebody else's, that one may keep it.
            with suppress(_Foreign):
                await self._look(key, webspace)
        else:
            self._mirror.removed(key)

    async def _look(self, key: Key, webspace: str, said: str = "it is gone") -> NoReturn:
        """Read an object that is not as it was thought to be."""
        resource, name = key
        try:
            found = await self._client.get(resource, self._namespace, name)
        except NotFound:
            self._mirror.removed(key)
            raise _Surprise(said) from None
        if not self._is_ours(key, found):
            self._mirror.removed(key)
            message = (
                f"{resource.kind} {self._namespace}/{name} exists and is not this service's: rename or delete it, or label"
                f" it {MANAGED_BY}={OURS},{INSTANCE}={self._cluster.instance}"
            )
            raise _Foreign(message)
        self._mirror.wrote(resource, webspace, found)
        raise _Surprise(said)

    def _is_ours(self, key: Key, found: Document) -> bool:
        """Whether an object is this service's, its predecessor's, or was ours until somebody took its labels away."""
        labels, left = found["metadata"].get("labels") or {}, self._mirror.left(key)
        if left is not None and left["metadata"]["uid"] == found["metadata"]["uid"]:
            return True
        return labels.get(MANAGED_BY) == OURS and labels.get(INSTANCE) in (None, self._cluster.instance)
