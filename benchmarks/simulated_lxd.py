"""A simulated LXD in a process of its own: `python -m benchmarks.simulated_lxd DIRECTORY COUNT [HTTP_PORT]`.

It has so many stopped webspaces, says `ready` on standard output, and ends with its standard input.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from benchmarks.webspaces import config_of
from harness.saying import CannotGoOn
from webspaced.testing.lxd.process import serve
from webspaced.testing.lxd.simulator import SOCKET, SimulatedLxd


@contextmanager
def simulated(folder: Path, count: int, *, http_port: int = 80) -> Iterator[Path]:
    """Run one in a folder; gives its socket. Blocks until it is there."""
    command = [sys.executable, "-m", "benchmarks.simulated_lxd", str(folder), str(count), str(http_port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        if child.stdout is None or child.stdin is None:
            raise AssertionError
        if child.stdout.readline() != b"ready\n":
            raise CannotGoOn("the simulated LXD did not come up")
        yield folder / SOCKET
        child.stdin.close()


def main(reactor: Any) -> Deferred[None]:
    """Serve until standard input ends."""
    directory, count, port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if sys.argv[3:] else 80
    lxd = SimulatedLxd(reactor, directory)
    for uid in range(1, count + 1):
        lxd.machine.add(f"ws-u{uid}", config=config_of(uid, port))
    return serve(reactor, lxd)


if __name__ == "__main__":
    react(main)
