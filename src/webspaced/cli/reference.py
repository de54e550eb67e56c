"""Every command, as a page: `python -m webspaced.cli.reference > docs/reference/commands.md`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from webspaced.cli.main import parser

HEAD = """# Commands

<!-- Printed by `python -m webspaced.cli.reference`; change the commands. -->

`webspaced COMMAND`. Those that ask the daemon that runs do so over the socket `control.sock` in its `data_dir`: as root, or
as the daemon's own user, on its machine or in its pod. `webspaced completion bash` gives the completions for a shell.
"""
WIDTH = 120


def page() -> str:
    """Give the page."""
    return "\n".join([HEAD, *_sections(parser(), "")]).rstrip() + "\n"


def _sections(whole: argparse.ArgumentParser, level: str) -> Iterator[str]:
    for action in whole._actions:  # noqa: SLF001  (argparse has no other way to what it knows)
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for name, each in action.choices.items():
                about, each.description = each.description, None
                yield f"##{level} {name}\n\n{about}\n\n```text\n{_usage(each)}\n```\n"
                yield from _sections(each, level + "#")


def _usage(each: argparse.ArgumentParser) -> str:
    each.formatter_class = lambda prog: argparse.HelpFormatter(prog, width=WIDTH)
    return each.format_help().rstrip()


if __name__ == "__main__":
    sys.stdout.write(page())
