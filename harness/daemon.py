"""webspaced itself, as a child in the foreground."""

import http.client
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from harness import places, processes
from harness.ports import LOOPBACK
from harness.saying import CannotGoOn, say

PROGRESS_SECONDS = 5
READY_SECONDS = 180
STOP_SECONDS = 40
PROGRAM = places.VENV / "bin" / "twistd"


def end_stale(settings: Path) -> None:
    """End a daemon that a killed `make up` left behind, known by the settings in its command line."""
    _end(lambda line: "webspaced" in line and str(settings) in line)


def end_stale_simulation() -> None:
    """The same for a simulation of this checkout, which has no file of settings."""
    _end(lambda line: "webspaced" in line and "--simulate" in line and str(PROGRAM) in line)


def _end(left_behind: Callable[[list[str]], bool]) -> None:
    for pid in processes.find(left_behind):
        say(f"ending the webspaced that was left behind (process {pid}) ...")
        processes.end(pid, grace=STOP_SECONDS)


class Daemon:
    """The child process. Its log goes where ours goes."""

    def __init__(self, arguments: tuple[str, ...], api_port: int, variables: Mapping[str, str] | None = None) -> None:
        self._arguments = arguments
        self._variables = variables or {}
        self._api_port = api_port
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        command = [str(PROGRAM), "-n", "--pidfile=", "webspaced", *self._arguments]
        # A session of its own: Ctrl-C is for us, who stop it before the LXD that it uses.
        self._child = subprocess.Popen(
            command, cwd=places.RUN, env={**os.environ, **self._variables}, stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def ended(self) -> int | None:
        """Its exit status, once it has ended."""
        return self._child.poll() if self._child else None

    def wait_ready(self) -> bool:
        """Wait until it says that it is ready; False when it ended before."""
        began = time.monotonic()
        told = 0.0
        while self.ended() is None:
            if self._ready():
                return True
            waited = time.monotonic() - began
            if waited > READY_SECONDS:
                raise CannotGoOn(f"webspaced was not ready within {READY_SECONDS} s")
            if waited - told > PROGRESS_SECONDS:
                told = waited
                say(f"waiting for webspaced to be ready, {waited:.0f} s ...")
            time.sleep(0.1)
        return False

    def _ready(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self._api_port, timeout=2)
        try:
            connection.request("GET", "/ready")
            return connection.getresponse().status in {http.client.OK, http.client.NO_CONTENT}
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def wait(self) -> int:
        """Its exit status, whenever that comes."""
        return self._child.wait() if self._child else 0

    def stop(self) -> None:
        """Ask it to end, and after a while end it. Idempotent."""
        if self._child is None or self._child.poll() is not None:
            return
        self._child.terminate()
        try:
            self._child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            say(f"webspaced did not end within {STOP_SECONDS} s: killed")
            self._child.kill()
            self._child.wait()
