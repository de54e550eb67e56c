"""Commands, consoles and files of containers."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

from tests.contracts.lxd_api import LxdApi, Socket, contract


class InsideContract(LxdApi):
    """``/exec``, ``/console``, ``/files``. Commands are those that the tiny images and the simulator both have."""

    async def executed(self, *command: str, **more: Any) -> dict[str, Any]:
        """Run a command without WebSockets; gives the metadata of its operation, which ended well."""
        body = {"command": list(command), "wait-for-websocket": False, **more}
        answer = await self.raw("POST", f"/instances/{self.name}/exec", body)
        ended = await self.waited(answer.operation)
        self.assertEqual(self.code_of(ended), 200)
        return ended.metadata["metadata"]  # type: ignore[no-any-return]

    async def recorded(self, *command: str, **more: Any) -> tuple[bytes, bytes, int]:
        """Run a command with its output recorded; gives output, errors and status, and removes the record."""
        metadata = await self.executed(*command, **{"record-output": True, **more})
        outputs = []
        for descriptor in ("1", "2"):
            path = metadata["output"][descriptor].removeprefix("/1.0")
            outputs.append((await self.raw("GET", path)).body)
            self.assertEqual((await self.raw("DELETE", path)).status, 200)
            self.assertEqual((await self.raw("GET", path)).status, 404 if self.flavour.outputs_apart else 500)
        return outputs[0], outputs[1], metadata["return"]

    @contract
    async def test_exec_needs_a_running_one(self) -> None:
        await self.create()
        self.assertEqual(await self.outcome("POST", f"/instances/{self.name}/exec", {"command": ["true"]}), 400)

    @contract
    async def test_exec_in_a_frozen_one_is_refused(self) -> None:
        await self.create_and_start()
        await self.put_state("freeze")
        self.assertEqual(await self.outcome("POST", f"/instances/{self.name}/exec", {"command": ["true"]}), 400)

    @contract
    async def test_plain_exec(self) -> None:
        await self.create_and_start()
        self.assertEqual(await self.executed("true"), {"return": 0})
        self.assertEqual(await self.executed("false"), {"return": 1})
        self.assertEqual(await self.executed("sh", "-c", "exit 3"), {"return": 3})

    @contract
    async def test_recorded_exec(self) -> None:
        await self.create_and_start()
        self.assertEqual(await self.recorded("echo", "hello"), (b"hello\n", b"", 0))
        self.assertEqual(await self.recorded("sh", "-c", "echo out; echo err >&2; exit 5"), (b"out\n", b"err\n", 5))
        self.assertEqual(await self.recorded("pwd", cwd="/etc"), (b"/etc\n", b"", 0))
        self.assertEqual(await self.recorded("hostname"), (f"{self.name}\n".encode(), b"", 0))
        self.assertEqual(await self.recorded("cat"), (b"", b"", 0))
        output, _, _ = await self.recorded("env", environment={"A": "b"})
        self.assertEqual({b"A=b", b"HOME=/root", b"USER=root"} - set(output.splitlines()), set())

    @contract
    async def test_a_command_that_there_is_not(self) -> None:
        await self.create_and_start()
        body = {"command": ["no-such-command"], "wait-for-websocket": False}
        operation = (await self.raw("POST", f"/instances/{self.name}/exec", body)).operation
        self.assertEqual(self.code_of(await self.waited(operation)), 400)
        document = (await self.raw("GET", operation.removeprefix("/1.0"))).metadata
        self.assertEqual((document["status_code"], document["metadata"]["return"]), (400, 127))

    @contract
    async def test_an_empty_command(self) -> None:
        await self.create_and_start()
        body = {"command": [], "wait-for-websocket": False}
        self.assertEqual(await self.outcome("POST", f"/instances/{self.name}/exec", body), self.failed(500))

    @contract
    async def test_exec_tells(self) -> None:
        await self.create_and_start()
        heard = await self.listen()
        await self.executed("true")
        self.assertEqual(await self.actions(heard, 1), ["instance-exec"])
        self.assertEqual(heard()[0]["context"]["command"], ["true"])

    # --- by WebSockets

    async def attached(self, path: str, body: dict[str, Any]) -> tuple[str, dict[str, Socket]]:
        """Begin something with WebSockets; gives the operation and the sockets."""
        answer = await self.raw("POST", f"/instances/{self.name}/{path}", body)
        self.assertEqual((answer.status, answer.metadata["class"]), (202, "websocket"))
        secrets = answer.metadata["metadata"]["fds"]
        where = answer.operation.removeprefix("/1.0")
        return where, {name: await self.socket(f"{where}/websocket?secret={secret}") for name, secret in secrets.items()}

    async def executing(self, *command: str, **more: Any) -> tuple[str, dict[str, Socket]]:
        return await self.attached("exec", {"command": list(command), "wait-for-websocket": True, **more})

    async def ready(self, command: str, **more: Any) -> tuple[str, dict[str, Socket]]:
        """Begin a command, and come back when it runs: what LXD says of that says nothing of the container."""
        operation, sockets = await self.executing("sh", "-c", f"echo ready; exec {command}", **more)
        await self.got(sockets.get("1", sockets["0"]), b"ready")
        return operation, sockets

    async def ended(self, operation: str) -> dict[str, Any]:
        answer = await self.waited(operation)
        self.assertEqual(self.code_of(answer), 200)
        return answer.metadata["metadata"]  # type: ignore[no-any-return]

    async def got(self, socket: Socket, data: bytes) -> None:
        async def there() -> bool:
            return data in socket.data

        await self.until(f"{data!r} comes", there)

    @contract
    async def test_output_ends_with_an_empty_text(self) -> None:
        await self.create_and_start()
        # Not one that ends at once: what is said right before an end is lost now and then.
        operation, sockets = await self.executing("cat")
        self.assertEqual(sorted(sockets), ["0", "1", "2", "control"])
        sockets["0"].transport.sendBytesMessage(b"hello\n")
        await self.got(sockets["1"], b"hello\n")
        self.assertFalse(sockets["1"].ended)
        sockets["0"].transport.sendTextMessage("")
        metadata = await self.ended(operation)
        self.assertEqual((metadata["return"], metadata["command"], metadata["interactive"]), (0, ["cat"], False))

        async def over() -> bool:
            return sockets["1"].ended and all(each.closed for each in sockets.values())

        await self.until("all sockets are closed, after the end of the output", over)

    @contract
    async def test_input_ends_with_an_empty_text_too(self) -> None:
        await self.create_and_start()
        operation, sockets = await self.executing("cat")
        sockets["0"].transport.sendBytesMessage(b"abc")
        await self.got(sockets["1"], b"abc")
        sockets["0"].transport.sendTextMessage("")
        self.assertEqual((await self.ended(operation))["return"], 0)

    @contract
    async def test_input_ends_with_its_socket(self) -> None:
        await self.create_and_start()
        operation, sockets = await self.executing("cat")
        sockets["0"].transport.sendBytesMessage(b"abc")
        await self.got(sockets["1"], b"abc")
        sockets["0"].hang_up()
        self.assertEqual((await self.ended(operation))["return"], 0)

    @contract
    async def test_a_wait_may_run_out_of_time(self) -> None:
        await self.create_and_start()
        operation, sockets = await self.executing("cat")
        for timeout in (0, 1):
            waited = await self.waited(operation, timeout)
            self.assertEqual(waited.status, 200)
            self.assertEqual(waited.json["type"], "error" if self.flavour.wait_timeout_is_error else "sync")
        running = (await self.raw("GET", operation)).metadata
        self.assertEqual((running["status"], running["status_code"]), ("Running", 103))
        listed = (await self.raw("GET", "/operations")).metadata
        self.assertIn(f"/1.0{operation}", [each.partition("?")[0] for each in listed["running"]])
        sockets["0"].transport.sendTextMessage("")
        self.assertEqual(self.code_of(await self.waited(operation, -1)), 200)

    @contract
    async def test_events_of_an_operation(self) -> None:
        await self.create_and_start()
        heard = await self.listen("operation")
        operation, sockets = await self.executing("cat")

        def told() -> list[str]:
            mine = [event["status"] for event in heard() if event["id"] == operation.rpartition("/")[2]]
            # What it knows of itself may be told between.
            return [status for status, _ in groupby(mine)]

        async def begun() -> bool:
            return "Running" in told()

        # It is told of what it is like when it is told: one that ended at once may never have been seen running.
        await self.until("it is told as running", begun)
        sockets["0"].transport.sendTextMessage("")
        self.assertEqual((await self.ended(operation))["return"], 0)

        async def all_told() -> bool:
            return {"Pending", "Running", "Success"} <= set(told())

        await self.until("all is told", all_told)
        self.assertEqual(told(), ["Pending", "Running", "Success"])

    @contract
    async def test_a_signal(self) -> None:
        await self.create_and_start()
        operation, sockets = await self.ready("sleep 60")
        sockets["control"].transport.sendTextMessage(json.dumps({"command": "signal", "signal": 15}))
        self.assertEqual((await self.ended(operation))["return"], 143)

    @contract
    async def test_closing_the_control_socket_kills(self) -> None:
        await self.create_and_start()
        operation, sockets = await self.ready("sleep 60")
        sockets["control"].hang_up()
        self.assertEqual((await self.ended(operation))["return"], 137)

    @contract
    async def test_a_stop_of_the_container_kills(self) -> None:
        await self.create_and_start()
        operation, _sockets = await self.ready("sleep 60")
        self.assertEqual(await self.put_state("stop", force=True), 200)
        self.assertEqual((await self.ended(operation))["return"], 137)

    @contract
    async def test_a_terminal(self) -> None:
        await self.create_and_start()
        operation, sockets = await self.ready("cat", interactive=True, width=80, height=24)
        self.assertEqual(sorted(sockets), ["0", "control"])
        terminal = sockets["0"]
        resize = {"command": "window-resize", "args": {"width": "100", "height": "40"}}
        sockets["control"].transport.sendTextMessage(json.dumps(resize))
        terminal.transport.sendBytesMessage(b"abc\n")
        # Once from the terminal, once from the command.
        await self.got(terminal, b"abc\r\nabc\r\n")
        terminal.transport.sendBytesMessage(b"\x04")

        async def over() -> bool:
            return terminal.ended

        await self.until("the terminal ends", over)
        self.assertEqual((await self.raw("GET", operation)).metadata["status_code"], 103)
        terminal.hang_up()
        self.assertEqual((await self.ended(operation))["return"], 0)

    @contract
    async def test_an_interrupt_at_a_terminal(self) -> None:
        await self.create_and_start()
        operation, sockets = await self.ready("sleep 60", interactive=True)
        sockets["0"].transport.sendBytesMessage(b"\x03")

        async def over() -> bool:
            # Not by the "^C" that is shown: LXD 5.0 loses what is written right before the end now and then.
            return sockets["0"].ended

        await self.until("the terminal ends", over)
        sockets["0"].hang_up()
        self.assertEqual((await self.ended(operation))["return"], 130)

    @contract
    async def test_sockets_that_do_not_come_and_a_wrong_secret(self) -> None:
        await self.create_and_start()
        body = {"command": ["cat"], "wait-for-websocket": True}
        operation = (await self.raw("POST", f"/instances/{self.name}/exec", body)).operation.removeprefix("/1.0")
        self.assertEqual((await self.raw("GET", f"{operation}/websocket?secret=wrong")).status, self.flavour.wrong_secret[0])
        self.assertEqual((await self.raw("GET", f"{operation}/websocket")).status, 500)
        self.assertEqual(self.code_of(await self.waited(operation)), self.failed(500))

    # --- the console

    async def console(self) -> tuple[str, dict[str, Socket]]:
        """Open the console, and come back when it shows what is typed: LXD loses what comes before it is quite there."""
        operation, sockets = await self.attached("console", {"width": 80, "height": 24})

        async def shown() -> bool:
            sockets["0"].transport.sendBytesMessage(b".")
            await self.sleep(0.2)
            return b"." in sockets["0"].data

        await self.until("what is typed is shown", shown)
        return operation, sockets

    @contract
    async def test_a_console_needs_a_running_one(self) -> None:
        await self.create()
        where = f"/instances/{self.name}/console"
        self.assertEqual((await self.raw("GET", where)).status, 200 if self.flavour.one_console else 500)
        self.assertEqual((await self.raw("DELETE", where)).status, 404)
        self.assertEqual(await self.outcome("POST", where, {"width": 80, "height": 24}), 400)

    @contract
    async def test_a_console(self) -> None:
        await self.create_and_start()
        heard = await self.listen()
        operation, sockets = await self.console()
        self.assertEqual(sorted(sockets), ["0", "control"])
        self.assertEqual(await self.actions(heard, 1), ["instance-console"])
        self.assertEqual((await self.raw("GET", operation)).metadata["status_code"], 103)
        # Not both at once: LXD may panic then.
        sockets["0"].hang_up()
        await self.sleep(0.5)
        sockets["control"].hang_up()
        code = self.code_of(await self.waited(operation))
        self.assertIn(code, (200,) if self.flavour.one_console else (200, 400))

    @contract
    async def test_a_second_console(self) -> None:
        await self.create_and_start()
        _, first = await self.console()
        if self.flavour.one_console:
            where = f"/instances/{self.name}/console"
            self.assertEqual(await self.outcome("POST", where, {"width": 80, "height": 24}), 500)
        else:
            _, second = await self.attached("console", {"width": 80, "height": 24})
            await self.got(second["0"], b"Error")
        first["0"].hang_up()

    @contract
    async def test_the_log_of_a_console_is_given_once(self) -> None:
        await self.create_and_start()
        where = f"/instances/{self.name}/console"
        _, sockets = await self.console()
        sockets["0"].transport.sendBytesMessage(b"abc")
        await self.got(sockets["0"], b"abc")
        # It is shown before it is remembered, and each part of it is given once.
        given = bytearray()

        async def complete() -> bool:
            given.extend((await self.raw("GET", where)).body)
            return given.endswith(b"abc")

        await self.until("it is remembered", complete)
        self.assertEqual(given.lstrip(b"."), b"abc")
        again = await self.raw("GET", where)
        self.assertEqual((again.status, b"abc" in again.body), (200 if self.flavour.one_console else 500, False))
        sockets["0"].hang_up()

    # --- files

    @contract
    async def test_files(self) -> None:
        await self.create_and_start()
        where = f"/instances/{self.name}/files?path="
        prefix = self.flavour.header_prefix
        owned = {f"{prefix}uid": "1000", f"{prefix}gid": "1001", f"{prefix}mode": "0640"}
        self.assertEqual((await self.raw("POST", f"{where}/root/a", b"hello", owned)).status, 200)
        read = await self.raw("GET", f"{where}/root/a")
        self.assertEqual((read.status, read.body, read.header(f"{prefix}type")), (200, b"hello", "file"))
        shown = [read.header(prefix + name) for name in ("uid", "gid", "mode")]
        self.assertEqual(shown, ["1000", "1001", "0640"])
        for mode, contents in (("append", b"hello more"), ("overwrite", b" more")):
            self.assertEqual((await self.raw("POST", f"{where}/root/a", b" more", {f"{prefix}write": mode})).status, 200)
            self.assertEqual((await self.raw("GET", f"{where}/root/a")).body, contents)
        self.assertEqual((await self.raw("GET", f"{where}/etc/passwd")).body[:5], b"root:")
        self.assertEqual((await self.raw("DELETE", f"{where}/root/a")).status, 200)
        self.assertEqual((await self.raw("GET", f"{where}/root/a")).status, 404)

    @contract
    async def test_directories_and_links(self) -> None:
        await self.create_and_start()
        where = f"/instances/{self.name}/files?path="
        kind = f"{self.flavour.header_prefix}type"
        self.assertEqual((await self.raw("POST", f"{where}/root/d", b"", {kind: "directory"})).status, 200)
        self.assertEqual((await self.raw("POST", f"{where}/root/d/x", b"1")).status, 200)
        listed = await self.raw("GET", f"{where}/root/d")
        self.assertEqual((listed.metadata, listed.header(kind)), (["x"], "directory"))
        self.assertEqual((await self.raw("DELETE", f"{where}/root/d")).status, 500)
        self.assertEqual((await self.raw("POST", f"{where}/root/l", b"/root/d/x", {kind: "symlink"})).status, 200)
        link = await self.raw("GET", f"{where}/root/l")
        self.assertEqual((link.body, link.header(kind)), (b"/root/d/x", "symlink"))

    @contract
    async def test_what_is_refused_of_files(self) -> None:
        await self.create_and_start()
        where = f"/instances/{self.name}/files"
        prefix = self.flavour.header_prefix
        for method, path, headers, code in (
            ("GET", "", {}, 400),
            ("GET", "?path=/none", {}, 404),
            ("DELETE", "?path=/none", {}, 404),
            ("POST", "?path=/none/a", {}, 404),
            ("POST", "?path=/root/a", {f"{prefix}type": "nonsense"}, 400),
            ("POST", "?path=/root/a", {f"{prefix}write": "nonsense"}, 400),
        ):
            answer = await self.raw(method, where + path, b"x" if method == "POST" else None, headers)
            self.assertEqual(answer.status, code, (method, path, headers))

    @contract
    async def test_files_of_a_stopped_one_and_their_events(self) -> None:
        await self.create()
        heard = await self.listen()
        where = f"/instances/{self.name}/files?path=/root/a"
        self.assertEqual((await self.raw("POST", where, b"x")).status, 200)
        self.assertEqual((await self.raw("GET", where)).body, b"x")
        self.assertEqual(await self.actions(heard, 2), ["instance-file-pushed", "instance-file-retrieved"])
        self.assertEqual(heard()[0]["context"]["path"], "/root/a")
