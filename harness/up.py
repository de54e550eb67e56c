"""`make up`: LXD, Traefik and webspaced with one member, in the foreground, until Ctrl-C.

Which LXD: as root a private one under run/lxd; without root, or with LXD=host, the machine's own, in a project of
its own; LXD=/path/of/unix.socket names one. Where there is none, or with LXD=simulated, a simulated one.
"""

import os
import signal
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from harness import daemon, host_lxd, lock, own_lxd, packages, places, settings_file, tiny_image, venv
from harness import ports as port_choice
from harness.saying import CannotGoOn, run_program, say

IMAGE = "tiny"
SIMULATED = "simulated"

STAY = "webspaces stay for the next `make up`"
GO = "THE LXD OF THIS RUN IS SIMULATED: webspaces are listeners of the daemon's process, and go with it"

READY = """
webspaced is up.
  API      {api}    in a browser: {api}/swagger
  HTTP     {http}    HTTPS  {https}
  member   {user}
  token    {token}

Create a webspace:
  curl -sS -X POST -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \\
       -d '{{"image": "{image}"}}' {api}/v1/webspace/self
Open it (it sleeps until you do):
  curl -sS http://{user}.localhost:{port}/
Forward a port of it ({echo} is its echo service), and connect to the port that the answer names:
  curl -sS -X POST -H 'Authorization: Bearer {token}' {api}/v1/webspace/self/ports/{echo}
  python3 -c 'import socket,sys; s = socket.create_connection(("127.0.0.1", int(sys.argv[1]))); s.sendall(b"hello\\n"); print(s.recv(99).decode())' EPORT

Ctrl-C ends it all; {stay}. The same facts are in {facts}.
"""  # noqa: E501 - a line to copy is one line


class Asked(BaseException):
    """Somebody wants us to end. No Exception, so that nothing on the way takes it for a fault."""


def _ask(_number: int, _frame: FrameType | None) -> None:
    """Signal handler: end what is being done. Once: the way down is not to be interrupted."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    say("\nstopping ...")
    raise Asked


def bring_up_lxd(stack: ExitStack) -> settings_file.Server | None:
    """The LXD to use, with the image in it, or None for a simulated one; the stack is told how to end it."""
    wanted = os.environ.get("LXD", "")
    if wanted == SIMULATED:
        return None
    if wanted:
        return _host(wanted)
    try:
        return _private(stack, places.RUN / "lxd") if packages.is_root() else _host("")
    except CannotGoOn as error:
        say(f"{error}\n\nGoing on with a simulated LXD.")
        return None


def _private(stack: ExitStack, directory: Path) -> settings_file.Server:
    # Said before it is begun: what came up half has to go, too.
    stack.callback(own_lxd.put_down, directory)
    lxd = own_lxd.ensured(directory, nat=True, guarded=True)
    tiny_image.import_image(lxd.rest, "fast", IMAGE)
    return settings_file.Server(lxd.socket, "default")


def _host(wanted: str) -> settings_file.Server:
    if wanted not in {"", "host"} and not wanted.startswith("/"):
        raise CannotGoOn(f"LXD={wanted}: host, simulated, or the path of a Unix socket")
    socket = host_lxd.find(Path(wanted) if wanted.startswith("/") else None)
    say(f"using the LXD or Incus at {socket}, in its project {host_lxd.PROJECT} ...")
    host_lxd.remember(socket)
    packages.ensure(("busybox-static",), "the tiny image")
    tiny_image.import_image(host_lxd.prepare(socket), "fast", IMAGE)
    return settings_file.Server(socket, host_lxd.PROJECT)


def _bring_up(stack: ExitStack) -> int:
    """Bring everything up and stay with the daemon; gives its exit status."""
    run = places.private_folder(places.RUN)
    stack.enter_context(lock.held(run / "lock"))
    facts_file = run / "up.json"
    facts_file.unlink(missing_ok=True)
    daemon.end_stale(run / "webspaced.yaml")
    daemon.end_stale_simulation()
    # First what may be impossible, then what takes a while.
    server = bring_up_lxd(stack)
    venv.ensure_product()
    ports = port_choice.remembered(run / "ports.json")
    token = settings_file.mint_member(run)
    child = _daemon(run, server, ports)
    stack.callback(child.stop)
    child.start()
    if child.wait_ready():
        stack.callback(facts_file.unlink, missing_ok=True)
        facts = settings_file.write_facts(facts_file, ports, token, "real" if server else SIMULATED)
        image, echo, stay = (IMAGE, 7, STAY) if server else ("fast", 7007, GO)
        say(READY.format(**facts, image=image, echo=echo, stay=stay, port=ports.http, facts=facts_file))
    status = child.wait()
    say(f"webspaced ended with status {status}")
    # A signal is told as shells do.
    return status if status >= 0 else 128 - status


def _daemon(run: Path, server: settings_file.Server | None, ports: port_choice.Ports) -> daemon.Daemon:
    if server is not None:
        settings = settings_file.write_settings(run, server, ports)
        return daemon.Daemon(("--config", str(settings)), ports.api)
    as_root = ("--as-root",) if packages.is_root() else ()
    return daemon.Daemon(("--simulate", *as_root), ports.api, settings_file.simulation_variables(run, ports))


def main() -> int:
    """Run until asked to end (status 0), or until the daemon ends (its status)."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _ask)
    try:
        with ExitStack() as stack:
            return _bring_up(stack)
    except Asked:
        say("webspaced: everything is stopped")
        return 0


if __name__ == "__main__":
    run_program(main)
