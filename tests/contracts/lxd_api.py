"""What LXD's API does, at the level of HTTP: run on the simulator in the fast tier, and on a real LXD and a real Incus.

Where the two servers differ, ``flavour`` says how; the same switch drives the simulator. Tests are coroutines; a subclass
says how they are run. Codes are compared, texts are not: nobody should decide on texts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from itertools import takewhile
from typing import Any

from attrs import define, field
from treq.client import HTTPClient
from twisted.internet.defer import Deferred
from twisted.web.websocket import WebSocketClientEndpoint

from webspaced.errors import NotFound, RemoteError
from webspaced.lib.webclient import BytesBody
from webspaced.lxd.client import LxdClient
from webspaced.testing.lxd.flavour import Flavour

GRACE = 120
STEP, STEPS = 0.05, 1200


def contract(test: Callable[[Any], Coroutine[Any, Any, None]]) -> Callable[[Any], Any]:
    """Let the subclass run a test that is a coroutine."""

    @wraps(test)
    def run(self: Any) -> Any:
        return self.drive(test(self))

    return run


@define
class Answer:
    """An answer as it came."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def metadata(self) -> Any:
        return self.json["metadata"]

    @property
    def etag(self) -> str:
        return self.header("Etag")

    def header(self, name: str) -> str:
        return (self.headers.getRawHeaders(name) or [""])[0]

    @property
    def operation(self) -> str:
        return str(self.json["operation"]).partition("?")[0]


@define(eq=False)
class Socket:
    """A WebSocket of ours: ``got`` has bytes, texts, and at last ``None``; ``pongs`` counts the answers to our pings."""

    got: list[bytes | str | None] = field(factory=list)
    transport: Any = None
    pongs: int = 0

    def buildProtocol(self, _url: str) -> Socket:
        return self

    def negotiationStarted(self, transport: Any) -> None:
        self.transport = transport

    def negotiationFinished(self) -> None:
        pass

    def pongReceived(self, _payload: bytes) -> None:
        self.pongs += 1

    def textMessageReceived(self, message: str) -> None:
        self.got.append(message)

    def bytesMessageReceived(self, data: bytes | bytearray) -> None:
        self.got.append(bytes(data))

    def connectionLost(self, _reason: Any) -> None:
        self.got.append(None)

    def hang_up(self) -> None:
        """End it without a closing handshake: Twisted fails to answer a ping that comes within one (seen on 26.10)."""
        self.transport.transport.loseConnection()

    @property
    def data(self) -> bytes:
        return b"".join(each for each in self.got if isinstance(each, bytes))

    @property
    def ended(self) -> bool:
        """Whether the stream ended: an empty text came."""
        return "" in self.got

    @property
    def closed(self) -> bool:
        return None in self.got


def _moment(event: Mapping[str, Any]) -> str:
    """When something happened, for a sort; Go leaves out the zeros at the end of a fraction."""
    whole, _, fraction = event["timestamp"].partition(".")
    digits = "".join(takewhile(str.isdigit, fraction))
    return f"{whole.removesuffix('Z')}.{digits:0<9}"


class LxdApi:
    """Mixed into a trial test case that sets what is named here."""

    flavour: Flavour
    client: LxdClient
    agent: Any
    endpoints: Any
    fingerprint: str
    project: str
    name: str
    assertEqual: Any
    assertNotEqual: Any
    assertIn: Any
    assertNotIn: Any
    assertTrue: Any
    assertFalse: Any
    fail: Any

    def drive(self, test: Coroutine[Any, Any, None]) -> Any:
        """Run a coroutine as a test."""
        raise NotImplementedError

    def sleep(self, seconds: float) -> Deferred[None]:
        """Let time go by."""
        raise NotImplementedError

    async def crash(self) -> None:
        """Kill the first process of the instance, from the host."""
        raise NotImplementedError

    def late(self, what: str) -> None:
        """Be told that something which is there for a moment only was over before it could be looked at.

        That may be where other programs have the processor meanwhile; elsewhere it is a fault.
        """
        self.fail(what)

    async def untrusted(self, path: str) -> tuple[int, Any]:
        """Ask as somebody whom the server does not trust; gives status and document."""
        raise NotImplementedError

    # --- asking

    async def raw(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Answer:
        """Make a request as it is, in the test's project."""
        joiner = "&" if "?" in path else "?"
        url = f"http://lxd/1.0{path}{joiner}project={self.project}"
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        response = await HTTPClient(self.agent).request(
            method, url, data=None if data is None else BytesBody(data), headers=dict(headers or {})
        )
        content: bytes = await response.content()
        return Answer(response.code, response.headers, content)

    async def waited(self, operation: str, timeout: int = 180) -> Answer:
        """Wait for an operation."""
        return await self.raw("GET", f"{operation.removeprefix('/1.0')}/wait?timeout={timeout}")

    async def outcome(self, method: str, path: str, body: Any = None) -> int:
        """Give the code that a request ends with: 200, an error's, or its operation's."""
        answer = await self.raw(method, path, body)
        if answer.json["type"] == "error":
            self.assertEqual(answer.json["error_code"], answer.status)
            return answer.status
        if answer.json["type"] == "sync":
            return answer.status
        self.assertEqual(answer.status, 202)
        return self.code_of(await self.waited(answer.operation))

    def code_of(self, ended: Answer) -> int:
        """Give the code of an operation that was waited for."""
        self.assertEqual(ended.status, 200)
        if ended.json["type"] == "error":
            self.assertTrue(self.flavour.failures_are_errors)
            return int(ended.json["error_code"])
        code = int(ended.metadata["status_code"])
        self.assertEqual(bool(ended.metadata["err"]), code >= 400)
        return code

    def failed(self, code: int) -> int:
        """Give the code of a failed operation: LXD has one for all."""
        return code if self.flavour.failures_are_errors else 400

    async def put_state(self, action: str, **more: Any) -> int:
        return await self.outcome("PUT", f"/instances/{self.name}/state", {"action": action, "timeout": GRACE, **more})

    async def put_state_begun(self, action: str, **more: Any) -> str:
        """Begin an action; gives its operation."""
        body = {"action": action, "timeout": GRACE, **more}
        return (await self.raw("PUT", f"/instances/{self.name}/state", body)).operation

    async def goes_on(self, operation: str) -> bool:
        """Whether an operation is not over."""
        answer = await self.raw("GET", operation.removeprefix("/1.0"))
        return answer.status == 200 and answer.metadata["status_code"] == 103

    def new(self, **more: Any) -> dict[str, Any]:
        source = {"type": "image", "fingerprint": self.fingerprint}
        return {"name": self.name, "type": "container", "source": source, "profiles": ["webspace"], **more}

    async def create(self, **more: Any) -> None:
        self.assertEqual(await self.outcome("POST", "/instances", self.new(**more)), 200)

    async def create_and_start(self, **more: Any) -> None:
        await self.create(**more)
        self.assertEqual(await self.put_state("start"), 200)

    async def instance(self, name: str = "") -> dict[str, Any]:
        return (await self.raw("GET", f"/instances/{name or self.name}")).metadata  # type: ignore[no-any-return]

    async def status(self) -> str:
        return str((await self.instance())["status"])

    async def etag(self) -> str:
        return (await self.raw("GET", f"/instances/{self.name}")).etag

    async def until(self, what: str, true: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Wait until something is true, and give it."""
        for _ in range(STEPS):
            if result := await true():
                return result
            await self.sleep(STEP)
        return self.fail(f"waited in vain until {what}")

    async def started_again(self) -> None:
        """Start, again until the server is done with the last stop."""

        async def started() -> bool:
            return await self.put_state("start") == 200

        await self.until("it starts again", started)

    async def stopped(self) -> None:
        """Wait until a stop or a crash is over."""

        async def over() -> bool:
            instance = await self.instance()
            return instance["status"] == "Stopped" and instance["config"].get("volatile.last_state.power") == "STOPPED"

        await self.until("it is stopped", over)

    # --- listening

    async def socket(self, path: str) -> Socket:
        """Open a WebSocket."""
        socket: Socket = await WebSocketClientEndpoint(self.endpoints, f"ws://lxd/1.0{path}").connect(Socket())
        return socket

    async def listen(self, types: str = "lifecycle") -> Callable[[], list[dict[str, Any]]]:
        """Subscribe; gives what tells the metadata of all events of the project so far, in the order of what happened.

        LXD tells each in a goroutine of its own: they come in any order, and their times tell the right one.
        """
        stream = await self.socket(f"/events?type={types}&project={self.project}")
        # Who reads what we send is begun after the subscription; the handshake is answered before.
        stream.transport.ping()

        async def stands() -> bool:
            return bool(stream.pongs)

        await self.until("the subscription stands", stands)

        def heard() -> list[dict[str, Any]]:
            events = [json.loads(text) for text in stream.got if isinstance(text, str)]
            return [event["metadata"] for event in sorted(events, key=_moment) if event["type"] in types]

        return heard

    async def actions(self, heard: Callable[[], list[dict[str, Any]]], count: int) -> list[str]:
        """Give the actions of the events, once so many are there (and no more come at once)."""

        async def enough() -> bool:
            return len(heard()) >= count

        await self.until(f"{count} events are there", enough)
        await self.sleep(0.2)
        return [event["action"] for event in heard()]

    async def remove_all(self) -> None:
        """Remove the instances of the project, whatever they do."""
        while listed := (await self.client.get("/instances", recursion="1")).metadata:
            for instance in listed:
                where = f"/instances/{instance['name']}"
                try:
                    if instance["status"] != "Stopped":
                        await self.client.operate("PUT", f"{where}/state", {"action": "stop", "force": True})
                    await self.client.operate("DELETE", where)
                except (RemoteError, NotFound):
                    # It is not done with the last change.
                    await self.sleep(0.1)
