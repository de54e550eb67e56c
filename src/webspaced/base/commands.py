"""The commands of a program: one word each after its name."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from webspaced.errors import WebspacedError
from webspaced.settings import Schema, SettingsError

INTERRUPTED = 130
MISTAKE = 1
"""The exit status of a command that could not do what it was asked for; argparse's own for a wrong command line is 2."""


@frozen(kw_only=True)
class Command:
    """One word after the program's name.

    ``configure`` adds arguments to its parser; each leaf of that sets the default ``run``, which takes the parsed arguments
    and gives the exit status. A ``WebspacedError``, ``SettingsError`` or ``OSError`` becomes a message and the status 1.
    """

    name: str
    help: str
    configure: Callable[[argparse.ArgumentParser], None]


def printable(text: str) -> str:
    """Give a text without orders to the terminal: what others have written may have some."""
    return "".join(each if each.isprintable() or each in "\n\t" else repr(each)[1:-1] for each in text)


def say(text: str) -> None:
    """Tell people something."""
    sys.stderr.write(f"{printable(text)}\n")


def give(text: str) -> None:
    """Give a line of the result."""
    sys.stdout.write(f"{printable(text)}\n")


def exec_twistd(service: str, *arguments: str) -> int:
    """Become ``twistd -n <service>`` of this installation; it does not come back."""
    program = Path(sys.executable).with_name("twistd")
    sys.stdout.flush()
    os.execv(program, [str(program), "--nodaemon", "--pidfile=", service, *arguments])  # noqa: S606
    return 0


def add_config(parser: argparse._ActionsContainer, schema: Schema[Any], whose: str) -> None:
    """Add the option that names the file with the settings. ``whose``: they are, such as ``the daemon's``."""
    folders = ", then in ".join(map(str, schema.folders))
    parser.add_argument(
        "--config", "-c", type=Path, metavar="FILE",
        help=f"{whose} settings (default: {schema.file} here, then in {folders})",
    )  # fmt: skip


def parser_of(program: str, description: str, commands: Sequence[Command]) -> argparse.ArgumentParser:
    """Give the parser of all commands of a program."""
    whole = argparse.ArgumentParser(prog=program, description=description)
    words = whole.add_subparsers(required=True, metavar="COMMAND")
    for command in commands:
        command.configure(words.add_parser(command.name, help=command.help, description=command.help))
    return whole


def run_command(parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None) -> int:
    """Run the command that the arguments name (by default those of the process) and give the exit status."""
    parsed = parser.parse_args(sys.argv[1:] if arguments is None else arguments)
    try:
        status: int = parsed.run(parsed)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Who reads has seen enough; nothing more is to be written at the end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (WebspacedError, SettingsError, OSError) as error:
        say(f"{parser.prog}: {error}")
        return MISTAKE
    return status
