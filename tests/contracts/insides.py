"""What goes on inside instances, through the product's own client: on the simulator, a real LXD and a real Incus."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from tests.contracts.lxd_api import LxdApi, contract
from webspaced.core.command import Bounds, Command, Completed, Size
from webspaced.errors import DeadlineExceeded, NotFound, OutputTooLarge, RemoteError
from webspaced.interfaces import IInsides, ITerminal
from webspaced.lxd.insides import LxdInsides
from webspaced.lxd.instances import LxdInstances

BOUNDS = Bounds(seconds=30, output=100_000)
SIZE = Size(80, 24)


class Screen:
    """An IConsumer that keeps what it is shown."""

    def __init__(self) -> None:
        self.shown = b""
        self.producer: Any = None

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming
        self.producer = producer

    def unregisterProducer(self) -> None:
        self.producer = None

    def write(self, data: bytes) -> None:
        self.shown += data


class InsidesContract(LxdApi):
    @property
    def insides(self) -> LxdInsides:
        if not hasattr(self, "_insides"):
            self._insides = LxdInsides(self.client, self.endpoints)
        return self._insides

    async def run_in(self, *argv: str, bounds: Bounds = BOUNDS, **more: Any) -> Completed:
        return await self.insides.run(self.name, Command(argv=argv, **more), bounds)

    async def failing(self, kind: type[Exception], work: Any) -> Exception:
        try:
            await work
        except kind as error:
            return error
        return self.fail(f"no {kind}")  # type: ignore[no-any-return]

    async def shows(self, screen: Screen, text: bytes) -> None:
        async def there() -> bool:
            return text in screen.shown

        await self.until(f"the screen shows {text!r}", there)

    async def running(self) -> set[str]:
        """Give the commands of operations that still run."""
        operations = (await self.client.get("/operations", recursion="1")).metadata or {}
        commands = [(each["metadata"] or {}).get("command") or () for each in operations.get("running", ())]
        return {" ".join(command) for command in commands}

    # --- commands

    @contract
    async def test_it_is_what_it_says(self) -> None:
        self.assertTrue(IInsides.providedBy(self.insides))

    @contract
    async def test_output_errors_and_code(self) -> None:
        await self.create_and_start()
        self.assertEqual(await self.run_in("echo", "hello"), Completed(code=0, stdout=b"hello\n"))
        ended = await self.run_in("sh", "-c", "echo out; echo err >&2; exit 5")
        self.assertEqual(ended, Completed(code=5, stdout=b"out\n", stderr=b"err\n"))
        self.assertEqual(await self.run_in("true"), Completed(code=0))

    @contract
    async def test_input_comes_by_stdin_and_ends(self) -> None:
        await self.create_and_start()
        self.assertEqual(await self.run_in("cat"), Completed(code=0))
        big = b"0123456789" * 9000
        self.assertEqual(await self.run_in("cat", stdin=big), Completed(code=0, stdout=big))

    @contract
    async def test_environment_and_directory(self) -> None:
        await self.create_and_start()
        ended = await self.run_in("env", environment={"A": "b c"})
        self.assertIn(b"A=b c\n", ended.stdout)
        self.assertEqual((await self.run_in("pwd", directory="/etc")).stdout, b"/etc\n")

    @contract
    async def test_an_unknown_command_has_the_shells_code(self) -> None:
        await self.create_and_start()
        self.assertEqual((await self.run_in("no-such-command")).code, 127)

    @contract
    async def test_more_output_than_the_bound(self) -> None:
        await self.create_and_start()
        ended = await self.run_in("sh", "-c", "head -c 60000 /dev/zero; head -c 40000 /dev/zero >&2")
        self.assertEqual((len(ended.stdout), len(ended.stderr), ended.code), (60_000, 40_000, 0))
        over = "head -c 60000 /dev/zero; head -c 40001 /dev/zero >&2; sleep 60"
        error = await self.failing(OutputTooLarge, self.run_in("sh", "-c", over))
        self.assertIn("100000", str(error))
        await self.until("the command is killed", self._nothing_runs)

    @contract
    async def test_longer_than_the_bound(self) -> None:
        await self.create_and_start()
        await self.failing(DeadlineExceeded, self.run_in("sleep", "60", bounds=Bounds(seconds=0.5, output=1)))
        await self.until("the command is killed", self._nothing_runs)

    @contract
    async def test_a_command_that_is_given_up_is_killed(self) -> None:
        await self.create_and_start()
        running = Deferred.fromCoroutine(self.run_in("sleep", "60"))
        running.addErrback(lambda _: None)
        await self.until("it runs", self.running)
        running.cancel()
        await self.until("the command is killed", self._nothing_runs)

    async def _nothing_runs(self) -> bool:
        return not await self.running()

    @contract
    async def test_the_container_stops_meanwhile(self) -> None:
        await self.create_and_start()
        running = Deferred.fromCoroutine(self.run_in("sleep", "614"))
        await self.until("it runs", lambda: self.sleeps("614"))
        self.assertEqual(await self.put_state("stop", force=True), 200)
        self.assertEqual((await running).code, 137)

    @contract
    async def test_a_stopped_one_and_none(self) -> None:
        await self.failing(NotFound, self.run_in("true"))
        await self.create()
        error = await self.failing(RemoteError, self.run_in("true"))
        self.assertEqual(error.code, 400)  # type: ignore[attr-defined]

    # --- terminals

    async def attach(self, *argv: str) -> tuple[Any, Screen]:
        screen = Screen()
        terminal = await self.insides.attach(self.name, Command(argv=argv), SIZE, screen)
        self.assertTrue(ITerminal.providedBy(terminal))
        self.assertTrue(screen.producer)
        return terminal, screen

    @contract
    async def test_a_terminal(self) -> None:
        await self.create_and_start()
        terminal, screen = await self.attach("cat")
        terminal.write(b"abc\n")
        await self.shows(screen, b"abc\r\nabc\r\n")
        terminal.write(b"\x04")
        self.assertEqual(await terminal.ended, 0)

    @contract
    async def test_its_exit_code(self) -> None:
        await self.create_and_start()
        # LXD 5.0 loses the output of about one in a hundred of those that end at once.
        terminal, screen = await self.attach("sh", "-c", "echo hello; read x; exit 3")
        await self.shows(screen, b"hello\r\n")
        terminal.write(b"\n")
        self.assertEqual(await terminal.ended, 3)

    @contract
    async def test_an_unknown_command_in_a_terminal(self) -> None:
        await self.create_and_start()
        terminal, _ = await self.attach("no-such-command")
        self.assertEqual(await terminal.ended, 127)

    @contract
    async def test_a_signal(self) -> None:
        await self.create_and_start()
        terminal, _ = await self.attach("sleep", "615")
        await self.until("it runs", lambda: self.sleeps("615"))
        terminal.resize(Size(100, 50))
        terminal.signal(15)
        self.assertEqual(await terminal.ended, 143)

    @contract
    async def test_a_terminal_is_a_session_and_no_work_on_a_container(self) -> None:
        await self.create_and_start()
        instances = LxdInstances(self.client)
        terminal, _ = await self.attach("sleep", "616")
        self.assertEqual(await instances.others_work(self.name, sessions=True), "'Executing command'")
        self.assertEqual(await instances.others_work(self.name), "")
        terminal.close()

    @contract
    async def test_hanging_up_kills(self) -> None:
        await self.create_and_start()
        terminal, _ = await self.attach("sleep", "613")
        await self.until("it runs", lambda: self.sleeps("613"))
        terminal.close()
        self.assertNotEqual(await terminal.ended, 0)
        await self.until("the command is killed", lambda: self.is_gone("613"))

    async def sleeps(self, argument: str) -> bool:
        """Whether a ``sleep`` with such an argument runs."""
        # The product may run it by a shell.
        return any(command.endswith(f"sleep {argument}") for command in await self.running())

    async def is_gone(self, argument: str) -> bool:
        """Whether no command with such an argument runs."""
        return not any(argument in command.split() for command in await self.running())

    # --- the console

    async def console(self) -> tuple[Any, Screen]:
        """Open the console, and come back when it shows what is typed: LXD loses what comes before it is quite there."""
        screen = Screen()
        console = await self.insides.console(self.name, SIZE, screen)

        async def shown() -> bool:
            console.write(b".")
            await self.sleep(0.2)
            return b"." in screen.shown

        await self.until("what is typed is shown", shown)
        return console, screen

    @contract
    async def test_a_console(self) -> None:
        await self.create_and_start()
        console, _ = await self.console()
        console.close()
        self.assertEqual(await console.ended, 0)

    @contract
    async def test_who_opens_a_console_last_has_it(self) -> None:
        await self.create_and_start()
        first, _ = await self.console()
        second, screen = await self.console()
        self.assertEqual(await first.ended, 0)
        second.write(b"x")
        await self.shows(screen, b"x")
        self.assertNotIn(b"Error", screen.shown)
        second.close()
        await second.ended

    @contract
    async def test_a_console_that_is_left_while_it_shows_much_harms_nobody(self) -> None:
        async def runs() -> bool:
            # Incus takes a busy console's container for a stopped one, for a moment, and opens no other one then.
            return await self.status() == "Running"

        await self.create_and_start()
        for _ in range(3):
            console = await self.insides.console(self.name, SIZE, Screen())
            await self.sleep(0.3)
            console.write(b"remember\r" * 100)
            console.close()
            await console.ended
            await self.until("it runs on", runs)

    @contract
    async def test_the_consoles_log(self) -> None:
        await self.create()
        self.assertEqual(await self.insides.console_log(self.name), b"")
        await self.insides.clear_console_log(self.name)
        self.assertEqual(await self.put_state("start"), 200)
        console, _ = await self.console()
        console.write(b"remember\r")

        read = bytearray()

        async def logged() -> bool:
            # LXD gives each part of it once.
            read.extend(await self.insides.console_log(self.name))
            return b"remember" in read

        await self.until("it is in the log", logged)
        await self.insides.clear_console_log(self.name)
        self.assertEqual(await self.insides.console_log(self.name), b"")
        console.close()
        await console.ended
