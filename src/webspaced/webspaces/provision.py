"""What is done inside a new webspace while it runs for that: root's password, and an SSH server with the member's key.

Commands are argument vectors of this project's own; what a member wrote goes through standard input or into a file.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from attrs import evolve
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from webspaced.core import ssh
from webspaced.core.command import Bounds, Command, Completed
from webspaced.errors import DeadlineExceeded, NotFound, OutputTooLarge, RemoteError, SetUpFailed
from webspaced.interfaces import IInsides
from webspaced.lib.backoff import pauses
from webspaced.lib.deferreds import sleep

QUICK = Bounds(seconds=60.0, output=1024 * 1024)
"""For what takes a moment, even on a machine that is busy with a hundred boots."""
PACKAGE_OUTPUT = 16 * 1024 * 1024
"""Bytes: package managers are talkative when they replace half a system."""
REFRESH_TRIES = 6
"""With 1, 2, 4, 8 and 16 seconds between: an address is there before DNS and routes are."""
SHORT, TAIL = 200, 4000
"""Characters of what a command said: for the member, and for the operator's log."""
COMMAND_NOT_FOUND = 127


class Provision:
    """Sets running webspaces up. What fails is a ``SetUpFailed``; ``Unavailable`` while LXD is away.

    ``install_timeout`` is in seconds, for one command of a package manager.
    """

    log = Logger()

    def __init__(self, clock: IReactorTime, insides: IInsides, install_timeout: float) -> None:
        self._clock = clock
        self._insides = insides
        self.bound(install_timeout)

    def bound(self, install_timeout: float) -> None:
        """Let one command of a package manager take so many seconds from now on."""
        self._installing = Bounds(seconds=install_timeout, output=PACKAGE_OUTPUT)

    async def set_password(self, name: str, password: str) -> None:
        """Set root's password."""
        what = "the password could not be set"
        command = Command(argv=("chpasswd",), stdin=f"root:{password}\n".encode())
        done = await self._run(name, command, QUICK, what)
        if done.code:
            # What it says of a line may hold the line.
            raise SetUpFailed(f"{what}: chpasswd ended with {done.code}")

    async def install_ssh(self, name: str, system: str) -> ssh.Server:
        """Give the SSH server that is there, or install one.

        :param system: what the image's properties call its system; the container itself is asked where that is unknown.
        """
        for server in ssh.SERVERS:
            if await self._has(name, server.program):
                return server
        family = await self._family(name, system)
        what = "the SSH server could not be installed"
        stale = await self._refreshed(name, family)
        done = await self._run(name, _of(family, family.install), self._installing, what)
        if done.code:
            # Without lists it says that there is no such package: why there are no lists tells more.
            raise self._failed(name, what, stale or done)
        return evolve(ssh.OPENSSH, units=family.units)

    async def _family(self, name: str, system: str) -> ssh.Family:
        family = ssh.family_of(system)
        if family is None:
            said = await self._run(name, Command(argv=ssh.OS_RELEASE), QUICK, "the system could not be told")
            family = ssh.family_of(*ssh.systems_of(said.stdout.decode(errors="replace")))
        if family is None:
            message = f"no SSH server can be installed on {_clean(system) or 'this system'}: choose an image that has one"
            raise SetUpFailed(message)
        if not await self._has(name, family.install[0]):
            family = ssh.older(family)
        return family

    async def _refreshed(self, name: str, family: ssh.Family) -> Completed | None:
        """Fetch the package lists; gives what was said if that failed: what is wanted may be known all the same."""
        what = "the package lists could not be fetched"
        for tries, pause in enumerate(pauses(1.0, 16.0, factor=2.0), start=1):
            done = await self._run(name, _of(family, family.refresh), self._installing, what)
            if not done.code:
                return None
            if tries == REFRESH_TRIES or done.code == COMMAND_NOT_FOUND:
                return done
            await sleep(self._clock, pause)
        raise AssertionError  # pauses() never ends

    async def enable_ssh(self, name: str, server: ssh.Server, key: str) -> None:
        """Let the server start at boot and take the key."""
        await self._start_at_boot(name, server)
        if server.host_keys is not None:
            # Services of most systems do that by themselves, and without ssh-keygen nothing else could.
            await self._run(name, Command(argv=server.host_keys), QUICK, "the host keys could not be made")
        if server.program == ssh.OPENSSH.program:
            await self._be_lenient(name)
        await self._put_key(name, key)

    async def _be_lenient(self, name: str) -> None:
        """Have the server punish nobody by address: behind a forward all visitors have the same one.

        Without that it serves all the same, until somebody guesses passwords.
        """
        what = "the SSH server's penalties could not be switched off"
        path, mode = ssh.LENIENT
        try:
            await self._insides.push_directory(name, ssh.RUNTIME, ssh.RUNTIME_MODE)
            if (await self._run(name, Command(argv=ssh.ANY_VISITOR), QUICK, what)).code:
                # An older one, which knows no penalties.
                return
            await self._insides.push_directory(name, str(PurePosixPath(path).parent), ssh.RUNTIME_MODE)
            await self._insides.push_file(name, path, ssh.LENIENCE.encode(), mode)
        except (NotFound, RemoteError, DeadlineExceeded, SetUpFailed) as error:
            self.log.warn(
                "{instance}: {what}: {error}", event="creation.penalties-stay", instance=name, what=what, error=str(error)
            )

    async def _put_key(self, name: str, key: str) -> None:
        what = "the SSH key could not be put in place"
        try:
            await self._insides.push_directory(name, ssh.DIRECTORY, ssh.DIRECTORY_MODE)
            await self._insides.push_file(name, ssh.KEYS, f"{key}\n".encode(), ssh.KEYS_MODE)
        except (NotFound, RemoteError, DeadlineExceeded) as error:
            raise SetUpFailed(f"{what}: {error}") from error
        # What the image had already keeps its modes, and sshd takes no keys that others could have written.
        for path, mode in ((ssh.DIRECTORY, ssh.DIRECTORY_MODE), (ssh.KEYS, ssh.KEYS_MODE)):
            done = await self._run(name, Command(argv=("chmod", f"{mode:04o}", path)), QUICK, what)
            if done.code:
                raise self._failed(name, what, done)

    async def _start_at_boot(self, name: str, server: ssh.Server) -> None:
        for init in ssh.INITS:
            if not await self._has(name, init.program):
                continue
            what = "the SSH server could not be enabled"
            for unit in server.units:
                done = await self._run(name, Command(argv=init.enabling(unit)), QUICK, what)
                if not done.code:
                    return
            raise self._failed(name, what, done)
        # No init that knows services: what the image starts at boot is the image's own business.

    async def _has(self, name: str, program: str) -> bool:
        done = await self._run(name, Command(argv=ssh.present(program)), QUICK, f"{program} could not be looked for")
        return done.code == 0

    async def _run(self, name: str, command: Command, bounds: Bounds, what: str) -> Completed:
        try:
            return await self._insides.run(name, command, bounds)
        except (NotFound, DeadlineExceeded, OutputTooLarge, RemoteError) as error:
            raise SetUpFailed(f"{what}: {error}") from error

    def _failed(self, name: str, what: str, done: Completed) -> SetUpFailed:
        said = done.stderr if done.stderr.strip() else done.stdout
        text = said.decode(errors="replace")
        self.log.warn(
            "{instance}: {what} (status {code}): {said}",
            event="creation.step-failed",
            instance=name,
            what=what,
            code=done.code,
            said=text[-TAIL:],
        )
        lines = [line for line in map(_clean, text.splitlines()) if line]
        short = lines[-1] if lines else f"it ended with {done.code}"
        return SetUpFailed(f"{what}: {short}")


def _of(family: ssh.Family, argv: ssh.Argv) -> Command:
    return Command(argv=argv, environment={"LC_ALL": "C.UTF-8", **family.environment})


def _clean(text: str) -> str:
    """Give a line without what could confuse a terminal."""
    return "".join(character for character in text if character.isprintable()).strip()[:SHORT]
