"""What the API says of the inside of an instance: ``/exec``, ``/console``, ``/files``, ``/logs``, and the WebSockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.web.server import Request
from twisted.web.websocket import WebSocketResource

from webspaced.testing.lxd import files
from webspaced.testing.lxd.answers import Answer, argument, begun, read_json, refused, sync
from webspaced.testing.lxd.console import Consoles
from webspaced.testing.lxd.errors import ApiError
from webspaced.testing.lxd.execs import Execs
from webspaced.testing.lxd.machine import Machine
from webspaced.testing.lxd.streams import Ready
from webspaced.testing.lxd.things import Instance

MODIFIED = ("Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT")


def _download(contents: bytes, name: str, *more: tuple[str, str]) -> Answer:
    headers = (
        ("Content-Type", "application/octet-stream"),
        ("Content-Disposition", f"inline;filename={name}"),
        ("Accept-Ranges", "bytes"),
        MODIFIED,
        *more,
    )
    return Answer(contents, 200, headers)


class Interior:
    """Serves requests for the inside of an instance."""

    def __init__(self, machine: Machine, execs: Execs, consoles: Consoles) -> None:
        self._machine = machine
        self._execs = execs
        self._consoles = consoles

    def serve(self, request: Request, name: str, parts: list[str], project: str) -> Answer:
        """Answer a request; ``parts`` is the path below the instance."""
        handler = getattr(self, f"_{request.method.decode().lower()}_{parts[0]}", None)
        if parts[0] not in ("exec", "console", "files", "logs", "snapshots"):
            return refused(404, "not found")
        if handler is None:
            return refused(501, "not implemented")
        answer: Answer = handler(request, self._machine.instance(name, project), parts[1:])
        return answer

    # --- exec and its outputs

    def _post_exec(self, request: Request, instance: Instance, _rest: list[str]) -> Answer:
        return begun(self._execs.execute(instance, read_json(request)))

    def _get_logs(self, request: Request, instance: Instance, rest: list[str]) -> Answer:
        apart = self._machine.flavour.outputs_apart
        names = [name for owner, name in self._execs.recorded if owner is instance]
        if not rest or rest == ["exec-output"]:
            shown = names if bool(rest) == apart else []
            where = f"/1.0/instances/{instance.name}/logs/{'exec-output/' if rest else ''}"
            return sync([where + each for each in [*([] if rest else ["lxc.log"]), *shown]])
        contents = self._execs.recorded.get((instance, rest[-1]))
        self._tell_log("retrieved", instance, rest[-1])
        if contents is None or (rest[0] == "exec-output") is not apart:
            raise self._no_log(instance, rest[-1])
        return _download(contents, rest[-1])

    def _delete_logs(self, request: Request, instance: Instance, rest: list[str]) -> Answer:
        if not rest or self._execs.recorded.pop((instance, rest[-1]), None) is None:
            raise self._no_log(instance, rest[-1] if rest else "")
        self._tell_log("deleted", instance, rest[-1])
        return sync({})

    def _no_log(self, instance: Instance, name: str) -> ApiError:
        code = 404 if self._machine.flavour.outputs_apart else 500
        return ApiError(code, f"open logs/{instance.name}/{name}: no such file or directory")

    def _tell_log(self, what: str, instance: Instance, name: str) -> None:
        # "backups" is what both call it.
        self._machine.events.lifecycle(
            f"instance-log-{what}", f"/1.0/instances/{instance.name}/backups/{name}", instance.project, name=name
        )

    def _get_snapshots(self, request: Request, instance: Instance, rest: list[str]) -> Answer:
        if rest:
            raise ApiError(404, "Instance snapshot not found")
        return sync([])

    # --- the console

    def _get_console(self, request: Request, instance: Instance, _rest: list[str]) -> Answer:
        return _download(self._consoles.log(instance), "console.log")

    def _delete_console(self, request: Request, instance: Instance, _rest: list[str]) -> Answer:
        self._consoles.clear(instance)
        return sync({})

    def _post_console(self, request: Request, instance: Instance, _rest: list[str]) -> Answer:
        return begun(self._consoles.attach(instance, read_json(request)))

    # --- files

    def _get_files(self, request: Request, instance: Instance, _rest: list[str]) -> Answer:
        path = argument(request, "path")
        entry = files.get(instance, path)
        prefix = self._machine.flavour.header_prefix
        headers = (
            (f"{prefix}uid", entry.uid),
            (f"{prefix}gid", entry.gid),
            (f"{prefix}mode", entry.mode),
            (f"{prefix}type", entry.type),
            (f"{prefix}modified", "2023-11-14 22:13:20 +0000 UTC"),
        )
        self._tell_file("retrieved", instance, path)
        if entry.type == "directory":
            listing = sync(files.names_in(instance, path))
            return Answer(listing.body, 200, (*listing.headers, *headers))
        return _download(entry.contents, files.clean(path).rpartition("/")[2], *headers)

    def _head_files(self, request: Request, instance: Instance, rest: list[str]) -> Answer:
        answer = self._get_files(request, instance, rest)
        return Answer(b"", 200, answer.headers)

    def _post_files(self, request: Any, instance: Instance, _rest: list[str]) -> Answer:
        prefix = self._machine.flavour.header_prefix
        header: Callable[[str], str] = lambda name: request.getHeader(f"{prefix}{name}") or ""  # noqa: E731
        path = argument(request, "path")
        files.push(instance, path, request.content.read(), header)
        self._tell_file("pushed", instance, path)
        return sync({})

    def _delete_files(self, request: Request, instance: Instance, _rest: list[str]) -> Answer:
        path = argument(request, "path")
        files.delete(instance, path)
        self._tell_file("deleted", instance, path)
        return sync({})

    def _tell_file(self, what: str, instance: Instance, path: str) -> None:
        self._machine.tell(f"instance-file-{what}", instance, context={"path": files.clean(path)})

    # --- WebSockets

    def websocket(self, request: Request, identity: str) -> Any:
        """Become a WebSocket of an operation, if the secret is right."""
        operation = self._machine.operations.get(identity)
        if operation is None:
            raise ApiError(404, "Operation not found")
        secret = argument(request, "secret")
        if operation.sockets is None:
            raise ApiError(400, "This operation has no websocket")
        if not secret:
            raise ApiError(500, "missing secret")
        socket = operation.sockets.admitted(secret)
        if socket is None:
            raise ApiError(*self._machine.flavour.wrong_secret)
        return WebSocketResource(Ready(socket))
