"""The relays that are compared, each a process of its own on loopback."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from harness.saying import CannotGoOn, say

ROOT = Path(__file__).parent.parent
STREAM_MODULE = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
PIPE = 1 << 20
LONGEST_START = 20.0
PACKAGES = {"haproxy": "haproxy", "nginx": "nginx", "go": "golang-go"}

Pairs = Sequence[tuple[int, int]]


@frozen
class Peer:
    """A relay that runs: `discard`, `echo` and `boots` are its ports. `process` is `None` for a direct connection."""

    name: str
    discard: int
    echo: int
    boots: int
    process: subprocess.Popen[bytes] | None = None

    def pids(self) -> list[int]:
        """Its process and that one's children."""
        if self.process is None:
            return []
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *map(int, children)]

    def cpu(self) -> float:
        """Seconds of CPU that it used so far, over all threads (the scheduler's nanoseconds)."""
        return sum(_nanoseconds(pid) for pid in self.pids()) / 1e9

    def resident(self) -> int:
        """Bytes of its memory that are its own."""
        pages = 0
        for pid in self.pids():
            _, all_pages, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
            pages += int(all_pages) - int(shared)
        return pages * resource.getpagesize()


def _nanoseconds(pid: int) -> int:
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            total += int((task / "schedstat").read_text().split()[0])
    return total


def free_ports(number: int) -> list[int]:
    """Ports of loopback that nobody has."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [sock.getsockname()[1] for sock in sockets]


def _python(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


def _words(pairs: Pairs) -> list[str]:
    return [f"{listen}={backend}" for listen, backend in pairs]


def _ours(pairs: Pairs, _folder: Path) -> list[str]:
    return _python("benchmarks.relay_ours", "ours", *_words(pairs))


def _stock(pairs: Pairs, _folder: Path) -> list[str]:
    return _python("benchmarks.relay_ours", "stock", *_words(pairs))


def _haproxy(pairs: Pairs, folder: Path) -> list[str]:
    sections = "".join(
        f"listen relay{listen}\n  bind 127.0.0.1:{listen}\n  server one 127.0.0.1:{backend}\n" for listen, backend in pairs
    )
    config = folder / "haproxy.cfg"
    config.write_text(
        f"global\n  maxconn 9000\n  nbthread 1\n  tune.pipesize {PIPE}\n  maxpipes 100\n"
        "defaults\n  mode tcp\n  option splice-request\n  option splice-response\n  timeout connect 5s\n"
        f"  timeout client 300s\n  timeout server 300s\n{sections}"
    )
    return ["haproxy", "-db", "-q", "-f", str(config)]


def _nginx(pairs: Pairs, folder: Path) -> list[str]:
    servers = "".join(
        f"  server {{ listen 127.0.0.1:{listen}; proxy_pass 127.0.0.1:{backend}; proxy_buffer_size 64k; }}\n"
        for listen, backend in pairs
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"load_module {STREAM_MODULE};\ndaemon off;\nworker_processes 1;\nworker_rlimit_nofile 20000;\n"
        f"pid {folder}/nginx.pid;\nerror_log {folder}/nginx.log crit;\nevents {{ worker_connections 10000; }}\n"
        f"stream {{\n{servers}}}\n"
    )
    return ["nginx", "-c", str(config), "-p", str(folder)]


def _go(pairs: Pairs, folder: Path) -> list[str]:
    program = folder / "relay-go"
    if not program.exists():
        say("building the relay in Go ...")
        cache = {**os.environ, "GOFLAGS": "-mod=mod", "GOCACHE": str(folder / "go-cache"), "GOTOOLCHAIN": "local"}
        built = subprocess.run(
            ["go", "build", "-o", str(program), "."], cwd=ROOT / "tools" / "relay-go", env=cache, capture_output=True,
            text=True, check=False,
        )
        if built.returncode:
            raise CannotGoOn(built.stderr)
    return [str(program), *(f"127.0.0.1:{listen}=127.0.0.1:{backend}" for listen, backend in pairs)]


KINDS: dict[str, Callable[[Pairs, Path], list[str]]] = {
    "ours": _ours, "haproxy": _haproxy, "nginx": _nginx, "go": _go, "stock": _stock,
}


def available() -> dict[str, str]:
    """Of the peers that cannot be had here, why."""
    without = {}
    for name in ("haproxy", "nginx", "go"):
        if shutil.which(name) is None:
            without[name] = f"there is no {name} here (Debian: the package {PACKAGES[name]})"
    if "nginx" not in without and not STREAM_MODULE.exists():
        without["nginx"] = "its stream module is not installed (Debian: the package libnginx-mod-stream)"
    return without


@contextmanager
def peer(name: str, backends: tuple[int, int], folder: Path) -> Iterator[Peer]:
    """Run a relay to the backends' ports (discard, echo)."""
    discard, echo = backends
    if name == "direct":
        yield Peer(name, discard, echo, 0)
        return
    ports = free_ports(3)
    to_discard, to_echo, boots = ports
    pairs = list(zip(ports, (discard, echo, 0 if name == "ours" else echo), strict=True))
    process = subprocess.Popen(KINDS[name](pairs, folder), cwd=ROOT, stdin=subprocess.DEVNULL)
    try:
        for port in ports[:2]:
            _until_listens(port, process)
        yield Peer(name, to_discard, to_echo, boots, process)
    finally:
        process.terminate()
        process.wait()


def _until_listens(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + LONGEST_START
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise CannotGoOn(f"a relay does not listen: {process.args!r}")
