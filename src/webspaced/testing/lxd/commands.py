"""The commands that simulated containers know: a fixed table, never a shell and never a process.

Each is an object that gets standard input and signals, and tells its output and end. ``sh`` understands a handful of lines;
interactively it is a prompt at which the commands of the table can be tried.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from webspaced.lxd.insides import KILLING, TELLING
from webspaced.testing.lxd.command import TERMINATED_BY, Command, Says, Surroundings
from webspaced.testing.lxd.packages import TABLE as SYSTEM

NOT_FOUND = 127
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BANNER = b"This is webspaced's simulator: a prompt without a shell.\r\nIt knows: "
_VERBS = "command|exit|sleep|true|false|echo|cat|getent|head|hostname|pwd|read"
_PART = re.compile(rf"\s*(?:exec\s+)?(?:(?P<verb>{_VERBS})\b)?(?P<rest>.*?)(?P<err>\s*>&2)?\s*", re.DOTALL)


class Falsehood(Says):
    """``false``."""

    def said(self) -> tuple[str, int]:
        return "", 1


class Echo(Says):
    """``echo``."""

    def said(self) -> tuple[str, int]:
        return " ".join(self.arguments) + "\n", 0


class Pwd(Says):
    """``pwd``."""

    def said(self) -> tuple[str, int]:
        return f"{self.around.cwd}\n", 0


class Env(Says):
    """``env``."""

    def said(self) -> tuple[str, int]:
        return "".join(f"{name}={value}\n" for name, value in self.around.environment.items()), 0


class Hostname(Says):
    """``hostname``."""

    def said(self) -> tuple[str, int]:
        return f"{self.around.instance.name}\n", 0


class Getent(Says):
    """``getent passwd NAME`` out of the container's own file."""

    def said(self) -> tuple[str, int]:
        passwd = self.around.instance.files.get("/etc/passwd")
        lines = passwd.contents.decode().splitlines() if passwd else ["root:x:0:0:root:/root:/bin/sh"]
        found = [line for line in lines if self.arguments[:1] == ["passwd"] and line.split(":")[0] in self.arguments[1:]]
        return "".join(f"{line}\n" for line in found), 0 if found else 2


class Cat(Command):
    """``cat``: what it is given, or files."""

    def begin(self) -> None:
        if not self.arguments:
            return
        status = 0
        for path in self.arguments:
            entry = self.around.instance.files.get(path)
            if entry is None:
                self.out(f"cat: can't open '{path}': No such file or directory\n", 2)
                status = 1
            else:
                self.out(entry.contents)
        self.end(status)

    def data(self, data: bytes) -> None:
        if not self.over:
            self.out(data)

    def eof(self) -> None:
        self.end()


class Head(Says):
    """``head -c N /dev/zero``: so many bytes."""

    def begin(self) -> None:
        count = int(self.arguments[1]) if self.arguments[:1] == ["-c"] else 0
        self.out(bytes(count))
        self.end()


class Lookup(Says):
    """``command -v NAME``, the shell's own."""

    def said(self) -> tuple[str, int]:
        kind = TABLE.get(self.arguments[-1])
        there = kind is not None and kind.present(self.around.instance)
        return (f"/usr/bin/{self.arguments[-1]}\n", 0) if there else ("", 127)


class Chmod(Says):
    """``chmod MODE PATH``."""

    def said(self) -> tuple[str, int]:
        entry = self.around.instance.files.get(self.arguments[-1])
        if entry is None:
            return "", 1
        entry.mode = self.arguments[0]
        return "", 0


class Stat(Says):
    """``stat -c FORMAT PATH`` with ``%a``, ``%u``, ``%g`` and ``%F``."""

    def said(self) -> tuple[str, int]:
        entry = self.around.instance.files.get(self.arguments[-1])
        if entry is None:
            return "", 1
        kind = {"file": "regular file", "symlink": "symbolic link"}.get(entry.type, entry.type)
        values = {"%a": entry.mode.lstrip("0"), "%u": entry.uid, "%g": entry.gid, "%F": kind}
        return re.sub("%[augF]", lambda found: values[found[0]], self.arguments[1]) + "\n", 0


class Sleep(Command):
    """``sleep N``."""

    def begin(self) -> None:
        self._call = self.around.clock.callLater(float(self.arguments[0]), self.end)

    def end(self, status: int = 0) -> None:
        if self._call.active():
            self._call.cancel()
        super().end(status)


class Read(Command):
    """``read``, the shell's own: until the end of a line."""

    def data(self, data: bytes) -> None:
        if b"\n" in data:
            self.end()

    def eof(self) -> None:
        self.end(1)


class Chpasswd(Command):
    """``chpasswd``: reads ``name:password`` lines and remembers them in ``instance.passwords``."""

    def __init__(self, around: Surroundings, arguments: Sequence[str]) -> None:
        super().__init__(around, arguments)
        self._read = b""

    def data(self, data: bytes) -> None:
        self._read += data

    def eof(self) -> None:
        if "chpasswd" in self.around.instance.behaviour.failing:
            # As some do: with the line itself.
            self.out(f"chpasswd: (line 1, {self._read.decode().strip()}) password not changed\n", 2)
            self.end(1)
            return
        for line in self._read.decode(errors="replace").splitlines():
            name, colon, password = line.partition(":")
            if not colon:
                self.out(f"chpasswd: line without a colon: {line}\n", 2)
                self.end(1)
                return
            self.around.instance.passwords[name] = password
        self.end()


class Kill(Command):
    """``kill -PWR 1`` and ``kill -TERM 1``: power-off and reboot of the whole container, as in the tiny images."""

    def begin(self) -> None:
        wanted = tuple(self.arguments)
        power, instance = self.around.power, self.around.instance
        self.end(0 if wanted in (("-PWR", "1"), ("-TERM", "1")) else 1)
        if wanted == ("-PWR", "1"):
            self.around.clock.callLater(0, power.die, instance)
        elif wanted == ("-TERM", "1"):
            self.around.clock.callLater(0, power.reboot, instance)


class Poweroff(Kill):
    """``poweroff``."""

    def begin(self) -> None:
        self.arguments = ("-PWR", "1")
        super().begin()


class Reboot(Kill):
    """``reboot``."""

    def begin(self) -> None:
        self.arguments = ("-TERM", "1")
        super().begin()


class Shell(Command):
    """``sh -c`` of a few lines; without ``-c`` a prompt that knows this table."""

    def __init__(self, around: Surroundings, arguments: Sequence[str]) -> None:
        super().__init__(around, arguments)
        self._line = b""
        self._child: Command | None = None
        self._parts: list[str] = []
        self._input_left = 0
        self._told: int | None = None

    @property
    def _tells(self) -> bool:
        """Whether this is the shell around each plain command."""
        return list(self.arguments[:2]) == ["-c", TELLING]

    def begin(self) -> None:
        if self._tells:
            self._input_left = int(self.arguments[4])
            self._run(self.arguments[5:])
            self._end_input()
        elif self.arguments[:2] == ["-c", KILLING]:
            # Here a shell's end is its child's, too.
            self.end()
        elif self.arguments[:1] == ["-c"]:
            self._parts = [part for part in ";".join(self.arguments[1:2]).split(";") if part.strip()]
            self._next(0)
        else:
            self.out(BANNER + ", ".join(sorted(TABLE)).encode() + b"\r\n# ")

    def _next(self, status: int) -> None:
        """Run the next part of a line; the last status is the shell's."""
        if not self._parts:
            self.end(status)
            return
        part = self._parts.pop(0)
        match = _PART.fullmatch(part)
        if match is None or match["verb"] is None:
            self.out(f"sh: not in the simulator's table: {part.strip()}\n", 2)
            self._next(NOT_FOUND)
        elif match["verb"] == "exit":
            self.end(int(match["rest"] or 0))
        else:
            self._run([match["verb"], *shlex.split(match["rest"])], to=2 if match["err"] else None)

    def _run(self, words: Sequence[str], to: int | None = None) -> None:
        around = self.around
        inner = Surroundings(
            clock=around.clock,
            instance=around.instance,
            environment=around.environment,
            cwd=around.cwd,
            output=lambda descriptor, data: around.output(to or descriptor, data),
            ended=self._child_ended,
            power=around.power,
        )
        self._child = make(inner, words)
        if self._child is None:
            self.out(f"sh: {words[0]}: not found\n", 2)
            self._child_ended(NOT_FOUND)
        else:
            self._child.begin()

    def _child_ended(self, status: int) -> None:
        self._child = None
        if self._tells:
            # It stays until its own input ends.
            self._told = status
            for descriptor in (1, 2):
                self.out(f"{self.arguments[3]}{status}\n", descriptor)
        elif self.arguments[:1] == ["-c"]:
            self._next(status)
        else:
            self.out(b"# ")

    def _end_input(self) -> None:
        if not self._input_left and self._child is not None:
            self._child.eof()

    def data(self, data: bytes) -> None:
        if self._tells:
            data = data[: self._input_left]
            self._input_left -= len(data)
        if self._child is not None:
            self._child.data(data)
            if self._tells:
                self._end_input()
            return
        self._line += data
        while b"\n" in self._line and self._child is None and not self.over:
            line, _, self._line = self._line.partition(b"\n")
            self._typed(line.decode(errors="replace"))

    def _typed(self, line: str) -> None:
        try:
            words = shlex.split(line)
        except ValueError:
            words = [line]
        if words[:1] == ["exit"]:
            self.end(int(words[1]) if len(words) > 1 and words[1].isdigit() else 0)
        elif words:
            self._run(words)
        else:
            self.out(b"# ")

    def eof(self) -> None:
        if self._told is not None:
            self.end(self._told)
        elif self._child is not None:
            self._child.eof()
        elif self.arguments[:1] != ["-c"]:
            self.end()

    def signal(self, number: int) -> None:
        child = self._child
        if child is not None:
            child.signal(number)
        if child is None or self.arguments[:1] == ["-c"]:
            self.end(TERMINATED_BY + number)


TABLE: Mapping[str, type[Command]] = {
    "bash": Shell,
    "cat": Cat,
    "chmod": Chmod,
    "chpasswd": Chpasswd,
    "command": Lookup,
    "echo": Echo,
    "env": Env,
    "false": Falsehood,
    "getent": Getent,
    "head": Head,
    "hostname": Hostname,
    "kill": Kill,
    "poweroff": Poweroff,
    "pwd": Pwd,
    "read": Read,
    "reboot": Reboot,
    "sh": Shell,
    "sleep": Sleep,
    "stat": Stat,
    "true": Says,
    **SYSTEM,
}


def make(around: Surroundings, words: Sequence[str]) -> Command | None:
    """Give a command of the table, or nothing."""
    kind = TABLE.get(words[0].rpartition("/")[2]) if words else None
    return None if kind is None or not kind.present(around.instance) else kind(around, list(words[1:]))
