"""What a new webspace's set-up needs of its inside: on the fast tier's fake, the simulator, a real LXD and a real Incus."""

from __future__ import annotations

from typing import Any

from tests.contracts.lxd_api import contract
from webspaced.core.command import Bounds, Command, Completed
from webspaced.core.ssh import present
from webspaced.errors import DeadlineExceeded, NotFound, OutputTooLarge, RemoteError
from webspaced.interfaces import IInsides

BOUNDS = Bounds(seconds=30, output=100_000)


class SetUpContract:
    """A subclass has ``insides``, the instance's ``name``, ``create`` and ``create_and_start``."""

    name: str
    insides: Any
    create: Any
    create_and_start: Any
    assertEqual: Any
    assertNotEqual: Any
    assertTrue: Any
    fail: Any

    async def ran(self, *argv: str, bounds: Bounds = BOUNDS, **more: Any) -> Completed:
        done: Completed = await self.insides.run(self.name, Command(argv=argv, **more), bounds)
        return done

    async def refused(self, kind: type[Exception], work: Any) -> Any:
        try:
            await work
        except kind as error:
            return error
        return self.fail(f"no {kind}")

    async def shown(self, path: str) -> bytes:
        return (await self.ran("stat", "-c", "%a %u %g %F", path)).stdout

    @contract
    async def test_it_is_what_it_says_it_is(self) -> None:
        self.assertTrue(IInsides.providedBy(self.insides))

    @contract
    async def test_a_file_of_roots(self) -> None:
        await self.create_and_start()
        contents = bytes(range(256)) * 400
        await self.insides.push_file(self.name, "/root/a b", contents, 0o600)
        self.assertEqual((await self.ran("cat", "/root/a b", bounds=Bounds(seconds=30, output=200_000))).stdout, contents)
        self.assertEqual(await self.shown("/root/a b"), b"600 0 0 regular file\n")

    @contract
    async def test_one_that_exists_is_replaced_and_keeps_its_mode(self) -> None:
        await self.create_and_start()
        await self.insides.push_file(self.name, "/root/a", b"a long text", 0o640)
        await self.insides.push_file(self.name, "/root/a", b"short", 0o600)
        self.assertEqual((await self.ran("cat", "/root/a")).stdout, b"short")
        self.assertEqual(await self.shown("/root/a"), b"640 0 0 regular file\n")
        self.assertEqual((await self.ran("chmod", "0600", "/root/a")).code, 0)
        self.assertEqual(await self.shown("/root/a"), b"600 0 0 regular file\n")

    @contract
    async def test_a_directory_and_once_more(self) -> None:
        await self.create_and_start()
        await self.insides.push_directory(self.name, "/root/.ssh", 0o700)
        self.assertEqual(await self.shown("/root/.ssh"), b"700 0 0 directory\n")
        await self.insides.push_file(self.name, "/root/.ssh/keys", b"x", 0o600)
        await self.insides.push_directory(self.name, "/root/.ssh", 0o755)
        self.assertEqual(await self.shown("/root/.ssh"), b"700 0 0 directory\n")
        self.assertEqual((await self.ran("cat", "/root/.ssh/keys")).stdout, b"x")

    @contract
    async def test_no_directory_and_no_instance(self) -> None:
        await self.refused(NotFound, self.insides.push_file(self.name, "/root/a", b"x", 0o600))
        await self.refused(NotFound, self.ran("true"))
        await self.create_and_start()
        await self.refused(NotFound, self.insides.push_file(self.name, "/none/a", b"x", 0o600))

    @contract
    async def test_commands(self) -> None:
        await self.create_and_start()
        self.assertEqual(await self.ran("cat", stdin=b"hello"), Completed(code=0, stdout=b"hello"))
        self.assertEqual((await self.ran("cat", "/none")).code, 1)
        self.assertEqual((await self.ran("no-such-command")).code, 127)
        await self.refused(OutputTooLarge, self.ran("cat", stdin=b"x" * 101, bounds=Bounds(seconds=30, output=100)))
        await self.refused(DeadlineExceeded, self.ran("sleep", "60", bounds=Bounds(seconds=0.5, output=1)))

    @contract
    async def test_looking_for_programs(self) -> None:
        await self.create_and_start()
        self.assertEqual((await self.ran(*present("cat"))).code, 0)
        for program in ("sshd", "no-such-program"):
            self.assertNotEqual((await self.ran(*present(program))).code, 0)

    @contract
    async def test_a_password(self) -> None:
        await self.create_and_start()
        self.assertEqual((await self.ran("chpasswd", stdin="root:a:b $(c) ü\n".encode())).code, 0)
        self.assertNotEqual((await self.ran("chpasswd", stdin=b"root\n")).code, 0)

    @contract
    async def test_a_stopped_one_runs_nothing(self) -> None:
        await self.create()
        self.assertEqual((await self.refused(RemoteError, self.ran("true"))).code, 400)
