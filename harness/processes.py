"""Processes of this machine, told apart by their command lines (a number alone may have been given anew)."""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path


def command_line(pid: int) -> list[str]:
    """The arguments of a process; empty when it is gone or about to be."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return raw.decode(errors="replace").rstrip("\0").split("\0") if raw else []


def environment(pid: int) -> dict[str, str]:
    """The environment a process was started with; empty when it is gone or not ours to read."""
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return {}
    pairs = (item.partition("=") for item in raw.decode(errors="replace").split("\0"))
    return {name: value for name, equals, value in pairs if equals}


def _status(pid: int) -> tuple[str, int]:
    """State letter and parent of a process."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[1])


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return _status(pid)[0] not in "ZX"
    except OSError:
        return False


def _all() -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            yield int(entry.name)


def find(wanted: Callable[[list[str]], bool]) -> list[int]:
    """The processes whose command line is wanted, this one excepted."""
    return [
        pid for pid in _all()
        if pid != os.getpid() and alive(pid) and wanted(command_line(pid))
    ]


def children(parent: int) -> list[int]:
    """The direct children of a process."""
    found = []
    for pid in _all():
        with contextlib.suppress(OSError):
            if _status(pid)[1] == parent:
                found.append(pid)
    return found


def send(pid: int, number: signal.Signals) -> None:
    """Signal a process that may be gone already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def wait_until(condition: Callable[[], bool], seconds: float, step: float = 0.05) -> bool:
    """Ask until the condition holds or the time is over; gives its last answer."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(step)
    return True


def end(pid: int, grace: float = 10) -> None:
    """Ask a process to end, and after the grace (seconds) end it."""
    send(pid, signal.SIGTERM)
    if not wait_until(lambda: not alive(pid), grace):
        send(pid, signal.SIGKILL)
        wait_until(lambda: not alive(pid), 5)
