"""A benchmark made of several, each a program of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from harness.saying import CannotGoOn, say


def part(name: str) -> dict[str, Any]:
    """Run a benchmark in a process of its own; gives its last line. Its progress is ours."""
    command = [sys.executable, "-u", "-m", f"benchmarks.{name}"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as child:
        try:
            figures = _last_line(child)
        except BaseException:
            # It clears away first; leaving this block waits for that.
            child.terminate()
            raise
    if child.returncode:
        raise CannotGoOn(f"benchmarks.{name} ended with status {child.returncode}")
    return figures


def _last_line(child: subprocess.Popen[str]) -> dict[str, Any]:
    figures: dict[str, Any] | None = None
    for line in child.stdout or ():
        if line.startswith("{"):
            figures = json.loads(line)
        else:
            say(line.rstrip())
    if figures is None:
        raise CannotGoOn("it ended without a result; what it said last is above")
    return figures


def missed(figures: Mapping[str, Any], goals: Mapping[str, float]) -> list[str]:
    """Give which figures are more than they may be at most."""
    return [key for key, most in goals.items() if figures.get(key, 0) > most]
