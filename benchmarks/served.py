"""webspaced in a process of its own, for an LXD of loopback addresses: `python -m benchmarks.served FILE`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twisted.internet.task import react

from benchmarks.webspaces import serve
from harness.saying import CannotGoOn, tail

LONGEST = 60.0


@contextmanager
def webspaced(folder: Path, settings: Mapping[str, Any]) -> Iterator[None]:
    """Run it with these settings; the end of its log is told with a time-out."""
    (folder / "webspaced.yaml").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "benchmarks.served", str(folder / "webspaced.yaml")]
    log = folder / "log"
    with log.open("ab") as output:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        yield
    except TimeoutError as error:
        raise CannotGoOn(f"nothing was served within {LONGEST:g} s\nwebspaced's last words:\n{tail(log)}") from error
    finally:
        child.terminate()
        try:
            child.wait(LONGEST)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


if __name__ == "__main__":
    react(serve, sys.argv[1:])
