"""Every command, as a page: `python -m webspaced.cli.reference > docs/reference/commands.md`.

And as the manual page, and what shells complete by: `python -m webspaced.cli.reference manual deploy/manual`. They are in
the repository, as packages are made where webspaced is not installed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import wrap

from webspaced.cli.main import parser
from webspaced.cli.running import completion

HEAD = """# Commands

<!-- Printed by `python -m webspaced.cli.reference`; change the commands. -->

`webspaced COMMAND`. Those that ask the daemon that runs do so over the socket `control.sock` in its `data_dir`: as root, or
as the daemon's own user, on its machine or in its pod. With `--url` they ask its API with an admin's token, from anywhere.
`webspaced completion bash` gives the completions for a shell.
"""
WIDTH, TERMINAL = 120, 72
MANUAL_HEAD = r""".TH WEBSPACED 8 "" webspaced "Webspaces that sleep"
.SH NAME
webspaced \- webspaces that sleep until somebody visits them
.SH SYNOPSIS
.B webspaced
.I COMMAND
[\fIOPTIONS\fR]
.SH DESCRIPTION
Commands for whoever operates webspaced. Those that ask the daemon that runs do so over the socket
.I control.sock
in its
.IR data_dir ,
as root or as the daemon's own user; with
.B \-\-url
they ask its API with an admin's token. The daemon itself is
.BR "webspaced run" .
"""
MANUAL_END = r""".SH FILES
.I /etc/webspaced/webspaced.yaml
.PP
.I /usr/share/doc/webspaced
has the documentation.
"""


class _Formatter(argparse.HelpFormatter):
    """The same text by every version of Python."""

    def _format_usage(self, usage: str | None, *rest: object) -> str:
        # Where lines end differs; and what is in brackets, when it is long.
        text = " ".join(super()._format_usage(usage, *rest).split())  # type: ignore[arg-type]
        lines = wrap(text, self._width, subsequent_indent=" " * 7, break_on_hyphens=False)
        return "\n".join(lines) + "\n\n"

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"


def page() -> str:
    """Give the page."""
    sections = (f"##{'#' * depth} {name}\n\n{about}\n\n```text\n{usage}\n```\n" for name, depth, about, usage in _all(WIDTH))
    return "\n".join([HEAD, *sections]).rstrip() + "\n"


def manual() -> str:
    """Give the manual page, in troff."""
    sections = (
        f".SH {_troff(name.upper())}\n{_troff(about)}\n.PP\n.nf\n{_troff(usage)}\n.fi\n"
        for name, _, about, usage in _all(TERMINAL, "webspaced ")
    )
    return "".join((MANUAL_HEAD, *sections, MANUAL_END))


def completions() -> Mapping[str, str]:
    """Give what shells read, by the name of its file."""
    names = {"webspaced.bash": "bash", "_webspaced": "zsh"}
    return {name: completion(parser(), shell) for name, shell in names.items()}


def _all(width: int, prefix: str = "") -> Iterator[tuple[str, int, str, str]]:
    return _sections(parser(), 0, prefix, width)


def _sections(whole: argparse.ArgumentParser, depth: int, prefix: str, width: int) -> Iterator[tuple[str, int, str, str]]:
    """Give each command's name, depth, description and help."""
    for action in whole._actions:  # noqa: SLF001  (argparse has no other way to what it knows)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for name, each in action.choices.items():
                about, each.description = str(each.description), None
                yield f"{prefix}{name}", depth, about, _usage(each, width)
                yield from _sections(each, depth + 1, f"{prefix}{name} " if prefix else "", width)


def _usage(each: argparse.ArgumentParser, width: int) -> str:
    each.formatter_class = lambda prog: _Formatter(prog, width=width)
    return each.format_help().rstrip()


def _troff(text: str) -> str:
    r"""Give a text as it is: backslashes, dashes that are typed, and no line that begins as an order does."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-")
    return "\n".join(rf"\&{line}" if line.startswith((".", "'")) else line for line in escaped.splitlines())


def _write(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in {"webspaced.8": manual(), **completions()}.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["manual"]:
        _write(Path(sys.argv[2]))
    else:
        sys.stdout.write(page())
