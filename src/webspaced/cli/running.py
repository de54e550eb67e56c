"""``webspaced run``, ``version`` and ``completion``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import shtab

from webspaced.base.commands import exec_twistd
from webspaced.cli.command import Command, add_config_option, give


def _run(arguments: argparse.Namespace) -> int:
    config = [] if arguments.config is None else ["--config", str(arguments.config)]
    flags = [f"--{flag}" for flag in ("simulate", "as-root") if getattr(arguments, flag.replace("-", "_"))]
    return exec_twistd("webspaced", *config, *flags)


def _version(_arguments: argparse.Namespace) -> int:
    give(version("webspaced"))
    return 0


def _configure_run(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    add_config_option(which)
    which.add_argument(
        "--simulate", action="store_true",
        help="try it out on a simulated LXD, on loopback only; its data_dir is simulation/ in that of the settings",
    )  # fmt: skip
    parser.add_argument("--as-root", action="store_true", help="let --simulate run as root")
    parser.set_defaults(run=_run)


def _configure_version(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_version)


def completion(whole: argparse.ArgumentParser, shell: str) -> str:
    """Give what a shell completes commands, options and files by."""
    for each in _parsers(whole):
        for action in each._actions:  # noqa: SLF001  (argparse has no other way to what it knows)
            if action.type is Path:
                kind = shtab.DIRECTORY if action.dest.endswith("dir") else shtab.FILE
                setattr(action, "complete", kind)  # noqa: B010  (so shtab wants it, which argparse does not know of)
    return f"{shtab.complete(whole, shell=shell).rstrip()}\n"


def _parsers(whole: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield whole
    for action in whole._actions:  # noqa: SLF001
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for each in action.choices.values():
                yield from _parsers(each)


def _configure_completion(parser: argparse.ArgumentParser) -> None:
    def complete(arguments: argparse.Namespace) -> int:
        from webspaced.cli.main import parser as whole  # noqa: PLC0415  (it knows all commands, this one among them)

        sys.stdout.write(completion(whole(), arguments.shell))
        return 0

    parser.add_argument("shell", choices=shtab.SUPPORTED_SHELLS, help="source the output, or put it where your shell looks")
    parser.set_defaults(run=complete)


RUN = Command(name="run", help="run the daemon, as `twistd -n webspaced` does", configure=_configure_run)
VERSION = Command(name="version", help="give the version", configure=_configure_version)
COMPLETION = Command(name="completion", help="give the completions for a shell", configure=_configure_completion)
