"""LXD's REST API over a :class:`Machine`: which request does what. Sources: the API's documentation and the real servers.

https://documentation.ubuntu.com/lxd/en/latest/rest-api/
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from klein import Klein
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.server import Request
from twisted.web.websocket import WebSocketResource
from werkzeug.exceptions import MethodNotAllowed, NotFound

from webspaced.testing.lxd import documents
from webspaced.testing.lxd.answers import Answer, Path, argument, begun, read_json, refused, sync, sync_text, tagged
from webspaced.testing.lxd.changes import Changes
from webspaced.testing.lxd.console import Consoles
from webspaced.testing.lxd.errors import ApiError
from webspaced.testing.lxd.events import TYPES
from webspaced.testing.lxd.execs import Execs
from webspaced.testing.lxd.faults import Faults
from webspaced.testing.lxd.interior import Interior
from webspaced.testing.lxd.machine import Machine
from webspaced.testing.lxd.operations import FAILURE, Operation
from webspaced.testing.lxd.stores import Stores
from webspaced.testing.lxd.streams import EventStream, Ready

ACTIONS = {
    "start": "Starting instance",
    "stop": "Stopping instance",
    "restart": "Restarting instance",
    "freeze": "Freezing instance",
    "unfreeze": "Unfreezing instance",
}


def project_of(request: Request) -> str:
    """Give the project that a request is about."""
    return argument(request, "project") or "default"


class Api:
    """The application. ``streams`` are the event streams that are open."""

    app = Klein()

    def __init__(self, clock: IReactorTime, machine: Machine, execs: Execs, consoles: Consoles) -> None:
        self.machine = machine
        self.changes = Changes(machine)
        self.streams: list[EventStream] = []
        self.faults = Faults(self._lose_events, self._stall_events)
        self.path = Path(clock, self.faults)
        self._clock = clock
        self._times = machine.timings
        self._stores = Stores(machine, lambda: self.path.trusted)
        self._interior = Interior(machine, execs, consoles)

    def _lose_events(self, count: int) -> None:
        self.machine.events.lose += count

    def _stall_events(self) -> None:
        for stream in self.streams:
            stream.stall()

    async def _read(self, request: Request, work: Callable[[], Any], more: float = 0.0) -> Any:
        return await self.path.serve(request, self._times.request + more, work)

    async def _change(self, request: Request, work: Callable[[], Any]) -> Any:
        return await self.path.serve(request, self._times.accept, work)

    # --- the server

    @app.route("/", methods=["GET"])
    async def versions(self, request: Request) -> Any:
        """Say which versions of the API there are."""
        return await self.path.serve(request, self._times.request, lambda: sync(["/1.0"]), public=True)

    @app.route("/1.0", methods=["GET"])
    async def server(self, request: Request) -> Any:
        """Say what this is."""
        auth = "trusted" if self.path.trusted else "untrusted"
        work = lambda: tagged(documents.server_document(self.machine, project_of(request), auth))  # noqa: E731
        return await self.path.serve(request, self._times.request, work, public=True)

    @app.handle_errors(NotFound)  # type: ignore[arg-type]  # Klein lets it be a coroutine
    async def not_found(self, request: Request, failure: Failure) -> Any:
        """Refuse what there is not."""
        return await self.path.serve(request, self._times.request, lambda: refused(404, "not found"), public=True)

    @app.handle_errors(MethodNotAllowed)  # type: ignore[arg-type]
    async def not_implemented(self, request: Request, failure: Failure) -> Any:
        """Refuse methods that a resource does not have."""
        return await self._read(request, lambda: refused(501, "not implemented"))

    # --- events

    @app.route("/1.0/events", methods=["GET"])
    async def events(self, request: Request) -> Any:
        """Become an event stream."""
        return await self._read(request, lambda: self._events(request))

    def _events(self, request: Request) -> Any:
        types = [each for each in argument(request, "type").split(",") if each] or list(TYPES)
        unknown = self.machine.events.unknown(types)
        if unknown is not None:
            raise ApiError(self.machine.flavour.unknown_event_type, f'"{unknown}" isn\'t a supported event type')
        if request.getHeader("sec-websocket-key") is None:
            return Answer(b"Bad Request\n", 400, (("Content-Type", "text/plain; charset=utf-8"),))
        project = None if argument(request, "all-projects") == "true" else project_of(request)
        stream = EventStream(self._clock, self.machine.events, frozenset(types), project, self._times.ping)
        self.streams = [each for each in self.streams if each.open]
        self.streams.append(stream)
        return WebSocketResource(Ready(stream))

    # --- instances

    @app.route("/1.0/instances", methods=["GET"])
    async def instances(self, request: Request) -> Any:
        """List instances."""
        project = None if argument(request, "all-projects") == "true" else project_of(request)
        count = len(self.machine.listed(project)) if argument(request, "recursion", "0") != "0" else 0
        return await self._read(request, lambda: self._list(request, project), count * self._times.listed)

    def _list(self, request: Request, project: str | None) -> Answer:
        listed = self.machine.listed(project)
        recursion = argument(request, "recursion", "0")
        if recursion == "0":
            return sync([documents.path(each) for each in listed])
        render = documents.full_document if recursion == "2" else documents.instance_document
        return sync_text(f"[{','.join(render(each, self.machine) for each in listed)}]")

    @app.route("/1.0/instances", methods=["POST"])
    async def create(self, request: Request) -> Any:
        """Create an instance."""
        return await self._change(request, lambda: begun(self.changes.create(read_json(request), project_of(request))))

    @app.route("/1.0/instances/<name>", methods=["GET"])
    async def instance(self, request: Request, name: str) -> Any:
        """Give an instance."""

        def work() -> Answer:
            instance = self.machine.instance(name, project_of(request))
            recursive = argument(request, "recursion") not in ("", "0")
            render = documents.full_document if recursive else documents.instance_document
            return sync_text(render(instance, self.machine), etag=documents.etag(instance))

        return await self._read(request, work)

    @app.route("/1.0/instances/<name>", methods=["PUT"])
    async def put(self, request: Request, name: str) -> Any:
        """Replace what is configured of an instance."""

        def work() -> Answer:
            instance = self.machine.instance(name, project_of(request))
            return begun(self.changes.put(instance, read_json(request), request.getHeader("if-match") or ""))

        return await self._change(request, work)

    @app.route("/1.0/instances/<name>", methods=["PATCH"])
    async def patch(self, request: Request, name: str) -> Any:
        """Change what is configured of an instance."""

        def work() -> Answer:
            instance = self.machine.instance(name, project_of(request))
            self.changes.patch(instance, read_json(request), request.getHeader("if-match") or "")
            return sync({})

        return await self.path.serve(request, self._times.update, work)

    @app.route("/1.0/instances/<name>", methods=["POST"])
    async def rename(self, request: Request, name: str) -> Any:
        """Rename an instance."""

        def work() -> Answer:
            instance = self.machine.instance(name, project_of(request))
            return begun(self.changes.rename(instance, read_json(request)))

        return await self._change(request, work)

    @app.route("/1.0/instances/<name>", methods=["DELETE"])
    async def delete(self, request: Request, name: str) -> Any:
        """Delete an instance."""
        return await self._change(
            request, lambda: begun(self.changes.delete(self.machine.instance(name, project_of(request))))
        )

    # --- run state

    @app.route("/1.0/instances/<name>/state", methods=["GET"])
    async def state(self, request: Request, name: str) -> Any:
        """Give an instance's run state, addresses and counters."""

        def work() -> Answer:
            instance = self.machine.instance(name, project_of(request))
            if documents.status(instance, self.machine.flavour) == "Running" and not instance.phase.alive:
                raise ApiError(500, "Invalid PID '\ufffd'")
            return sync(documents.state_document(instance, self.machine))

        return await self.path.serve(request, self._times.state, work)

    @app.route("/1.0/instances/<name>/state", methods=["PUT"])
    async def put_state(self, request: Request, name: str) -> Any:
        """Start, stop, restart, freeze or thaw an instance."""

        def work() -> Answer:
            instance = self.machine.instance(name, project_of(request))
            body = read_json(request)
            action = body.get("action") or ""
            if action not in ACTIONS:
                raise ApiError(400, f"Unknown action: '{action}'")
            operation = self.machine.begin(ACTIONS[action], name, instance.project, location=instance.location)
            act = getattr(self.machine.power, action)
            if action in ("stop", "restart"):
                act(instance, operation, float(body.get("timeout") or 0), force=body.get("force") is True)
            else:
                act(instance, operation)
            return begun(operation)

        return await self._change(request, work)

    # --- operations

    @app.route("/1.0/operations", methods=["GET"])
    async def operations(self, request: Request) -> Any:
        """List operations by status."""

        def work() -> Answer:
            project = None if argument(request, "all-projects") == "true" else project_of(request)
            listed: dict[str, list[Any]] = {}
            for each in self.machine.operations.all(project):
                shown = each.document() if argument(request, "recursion") not in ("", "0") else each.path
                listed.setdefault(each.document()["status"].lower(), []).append(shown)
            return sync(listed)

        return await self._read(request, work)

    def _operation(self, identity: str) -> Operation:
        operation = self.machine.operations.get(identity)
        if operation is None:
            raise ApiError(404, "Operation not found")
        return operation

    @app.route("/1.0/operations/<identity>", methods=["GET"])
    async def operation(self, request: Request, identity: str) -> Any:
        """Give an operation."""
        return await self._read(request, lambda: sync(self._operation(identity).document()))

    @app.route("/1.0/operations/<identity>", methods=["DELETE"])
    async def cancel(self, request: Request, identity: str) -> Any:
        """Cancel an operation that can be."""

        def work() -> Answer:
            operation = self._operation(identity)
            if operation.over:
                raise ApiError(400, "Only running operations can be cancelled")
            if not operation.may_cancel:
                raise ApiError(400, "This operation can't be cancelled")
            if operation.on_cancel is not None:
                operation.on_cancel()
            self.machine.operations.cancel(operation)
            return sync({})

        return await self._read(request, work)

    @app.route("/1.0/operations/<identity>/wait", methods=["GET"])
    async def wait(self, request: Request, identity: str) -> Any:
        """Answer once an operation ended, or the time for that is over."""
        return await self._read(request, lambda: self._wait(request, identity))

    async def _wait(self, request: Request, identity: str) -> Answer:
        operation = self._operation(identity)
        text = argument(request, "timeout", "-1")
        try:
            timeout = int(text)
        except ValueError:
            raise ApiError(500, f'strconv.Atoi: parsing "{text}": invalid syntax') from None
        over = await self.machine.operations.ended(operation, timeout)
        if not over and self.machine.flavour.wait_timeout_is_error:
            return refused(500, "context deadline exceeded", status=200)
        if operation.status >= FAILURE and self.machine.flavour.failures_are_errors:
            return refused(operation.code or 500, operation.error, status=200)
        return sync(operation.document())

    @app.route("/1.0/operations/<identity>/websocket", methods=["GET"])
    async def websocket(self, request: Request, identity: str) -> Any:
        """Become one of an operation's WebSockets."""
        return await self._read(request, lambda: self._interior.websocket(request, identity))

    # --- what is used

    @app.route("/1.0/metrics", methods=["GET"])
    async def metrics(self, request: Request) -> Any:
        """Tell what containers use; the same for some seconds."""
        return await self._read(request, lambda: self._metrics(project_of(request)))

    def _metrics(self, project: str) -> Answer:
        machine = self.machine
        alive = lambda: [each for each in machine.listed(project) if each.phase.alive]  # noqa: E731
        text = machine.metrics.told(machine.flavour.name, project, machine.agenda.seconds(), alive)
        return Answer(text.encode(), 200, (("Content-Type", "text/plain"),))

    @app.route("/1.0/resources", methods=["GET"])
    async def resources(self, request: Request) -> Any:
        """Tell what the machine has."""
        return await self._read(request, lambda: sync(documents.resources_document(self.machine)))

    # --- everything else

    @app.route("/1.0/instances/<name>/<path:rest>", methods=["GET", "HEAD", "POST", "PUT", "DELETE"])
    async def interior(self, request: Request, name: str, rest: str) -> Any:
        """Serve commands, console, files and logs."""
        parts = rest.split("/")
        return await self._change(request, lambda: self._interior.serve(request, name, parts, project_of(request)))

    @app.route("/1.0/<path:rest>", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    async def rest(self, request: Request, rest: str) -> Any:
        """Serve images, profiles, networks, projects, certificates and the cluster."""
        work = lambda: self._stores.serve(request, rest.split("/"), project_of(request))  # noqa: E731
        return await self.path.serve(request, self._times.request, work, public=True)
