"""What a person sees on the terminal."""

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path


class CannotGoOn(Exception):
    """Something that the person has to see to; the text says what. Ends the program with status 1."""


def say(text: str) -> None:
    """Print at once: progress that comes late is no progress. A terminal that went away is no reason to stop."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


def tail(path: Path, lines: int = 15) -> str:
    """The last lines of a log, indented, for an error's text."""
    if not path.exists():
        return "  (no log)"
    return "\n".join(f"  {line}" for line in path.read_text(errors="replace").splitlines()[-lines:])


def run_program(main: Callable[[], int]) -> None:
    """Run a main function; what a person has to see to becomes one message instead of a traceback."""
    try:
        status = main()
    except CannotGoOn as error:
        print(f"\nwebspaced: {error}", file=sys.stderr, flush=True)
        status = 1
    sys.exit(status)
