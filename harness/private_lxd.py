"""An LXD (or Incus) of our own, beside whatever else runs on the machine: own directory, bridge and pool.

LXD's directory is bind-mounted at a short path, and LXD is told that path, for two reasons. The folders above it
may be closed to others (`run/` has mode 0700, and so has a clone made under a temporary directory), while an
unprivileged container's user has to walk to its root. And a Unix socket's path has 107 characters at most.
"""

import hashlib
import http.client
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from harness import mounts, network, packages, processes
from harness.flavour import LXD, Flavour
from harness.rest import Refused, Rest
from harness.saying import CannotGoOn, say, tail

MOUNTS = Path("/run/webspaced")
PROFILE = "webspace"
POOL = "default"
POOL_SIZE = "30GiB"
"""Of a file that takes only what is written."""
READY_SECONDS = 180


def short_name(directory: Path) -> str:
    """Eight characters that stand for a directory of this machine."""
    return hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:8]


class ClientFailed(Exception):
    """The client's program ended with an error; the text is what it said."""


class PrivateLxd:
    """One daemon and all that it starts. Needs root.

    `directory` holds its state, `bridge` and `subnet` ("10.x.y.0/24") are its network; with `nat` the containers
    reach what the machine reaches. `guarded`: it is for members, who may be hostile (see `guarded_profile`). `mount` is the
    short path, to be given only when the directory was moved since LXD first saw it.
    """

    def __init__(
        self, directory: Path, bridge: str, subnet: str,
        *, mount: Path | None = None, flavour: Flavour = LXD, nat: bool = False, guarded: bool = False,
    ) -> None:
        self.guarded = guarded
        self.directory = directory
        self.bridge = bridge
        self.subnet = subnet
        self.flavour = flavour
        self.nat = nat
        self.mount = mount or MOUNTS / short_name(directory)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """The API's Unix socket."""
        return self.mount / "unix.socket"

    @property
    def rest(self) -> Rest:
        """The API, in the default project."""
        return Rest(self.socket)

    @property
    def environment(self) -> dict[str, str]:
        """What the daemon's and the client's programs need to find this daemon."""
        return {
            **os.environ,
            self.flavour.dir_variable: str(self.mount),
            self.flavour.conf_variable: str(self.mount / "client"),
        }

    def up(self) -> None:
        """Bring it all up; finds a running daemon or a left-over directory again. Idempotent."""
        self.prepare_directory()
        if not self._answers():
            self.kill()
            self.start()
        self._configure()

    def start(self) -> None:
        """Start the daemon, which must not run, and wait until it is ready."""
        command = [self.flavour.daemon, "--group", "root", "--logfile", str(self.mount / "daemon.log")]
        with (self.mount / "daemon.out").open("ab") as output:
            self._child = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, start_new_session=True,
            )
        if not processes.wait_until(self._answers_or_ended, READY_SECONDS) or not self._answers():
            log = tail(self.directory / "daemon.out") + "\n" + tail(self.directory / "daemon.log")
            raise CannotGoOn(f"{self.flavour.name} did not come up:\n{log}")
        self._admin("waitready", "--timeout", str(READY_SECONDS))

    def kill(self) -> None:
        """End the daemon at once (SIGKILL). Containers and their network go on."""
        for pid in self._daemons():
            processes.send(pid, signal.SIGKILL)
        self._reap()
        processes.wait_until(lambda: not self._daemons(), READY_SECONDS)

    def down(self) -> None:
        """Stop containers and daemon in order, then sweep away what is left of them. Idempotent.

        Images and containers stay in the directory.
        """
        if self._answers():
            # Forced: a plain one waits for running execs, and cannot be forced any more while it waits.
            self._admin("shutdown", "--force", "--timeout", "30")
            processes.wait_until(lambda: not self._daemons(), 15)
        self._reap()
        self.sweep()

    def delete(self) -> None:
        """Stop everything and remove the directory. Idempotent."""
        self.down()
        for _ in range(50):
            shutil.rmtree(self.directory, ignore_errors=True)
            if not self.directory.exists():
                return
            time.sleep(0.1)
        raise CannotGoOn(f"cannot remove {self.directory}")

    def sweep(self) -> None:
        """End the processes and remove the mounts and the network of this directory, alive or not."""
        for pid in self._monitors():
            for init in processes.children(pid):
                processes.send(init, signal.SIGKILL)
        helpers = [*self._daemons(), *self._helpers()]
        for pid in [*self._monitors(), *helpers]:
            processes.end(pid, grace=2)
        network.remove_bridge(self.bridge)
        network.remove_loose_cables()
        mounts.unmount(self.mount)
        for folder in (self.mount, MOUNTS):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()

    def lxc(self, *arguments: str) -> str:
        """Run the client; gives what it printed. Raises ClientFailed."""
        done = subprocess.run(
            [self.flavour.client, *arguments], env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )
        if done.returncode:
            raise ClientFailed(f"{self.flavour.client} {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout

    def prepare_directory(self) -> None:
        """Make the directory and mount it where the daemon is to see it. Idempotent."""
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o711)
        if mounts.same(self.directory, self.mount) and (self.directory / "database").exists():
            return
        # New, unless something is left of a directory that was removed while its daemon ran.
        self.sweep()
        MOUNTS.mkdir(mode=0o711, exist_ok=True)
        mounts.bind(self.directory, self.mount)

    def _configure(self) -> None:
        """Network, pool and profile, each when it is not there yet."""
        rest = self.rest
        if not rest.exists(f"/1.0/networks/{self.bridge}"):
            definition = network.bridge_definition(self.bridge, self.subnet, nat=self.nat, reserved=self.guarded)
            rest.ask("POST", "/1.0/networks", definition)
        if not rest.exists(f"/1.0/storage-pools/{POOL}"):
            self._make_pool(rest)
        if not rest.exists(f"/1.0/profiles/{PROFILE}"):
            make = guarded_profile if self.guarded else profile_definition
            rest.ask("POST", "/1.0/profiles", make(self.bridge, POOL))
        # An image with an automatic update would have LXD ask the network for it.
        rest.ask("PATCH", "/1.0", {"config": {"images.auto_update_interval": "0"}})

    def _make_pool(self, rest: Rest) -> None:
        """A pool that keeps the bounds of disks, for members; else, and where that cannot be had, a plain folder."""
        if self.guarded:
            try:
                packages.ensure(("btrfs-progs",), "a pool that keeps the bounds of disks")
                rest.ask("POST", "/1.0/storage-pools", {"name": POOL, "driver": "btrfs", "config": {"size": POOL_SIZE}})
            except (CannotGoOn, Refused) as error:
                say(f"the disks of containers have no bound: {error}")
            else:
                return
        rest.ask("POST", "/1.0/storage-pools", {"name": POOL, "driver": "dir"})

    def _answers(self) -> bool:
        try:
            Rest(self.socket, timeout=5).get("/1.0")
        except (OSError, http.client.HTTPException, ValueError, Refused):
            # One that comes up or goes down may say so, or break off.
            return False
        return True

    def _answers_or_ended(self) -> bool:
        return self._answers() or self._child is None or self._child.poll() is not None

    def _admin(self, *arguments: str) -> None:
        """A subcommand of the daemon's own; what fails here is seen and mended by the sweep."""
        subprocess.run(
            [*self.flavour.admin, *arguments], env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, check=False, timeout=2 * READY_SECONDS,
        )

    def _reap(self) -> None:
        if self._child is not None:
            try:
                self._child.wait(10)
            except subprocess.TimeoutExpired:
                return
            self._child = None

    def _daemons(self) -> list[int]:
        program = Path(self.flavour.daemons[0]).name
        logfile = str(self.mount / "daemon.log")
        return processes.find(lambda line: Path(line[0]).name == program and logfile in line if line else False)

    def _monitors(self) -> list[int]:
        """The parents of the containers' first processes; they are their own title, without arguments."""
        title = f"[lxc monitor] {self.mount}/containers "
        return processes.find(lambda line: bool(line) and line[0].startswith(title))

    def _helpers(self) -> list[int]:
        """dnsmasq, and the daemon's helpers such as forkproxy."""
        inside = f"{self.mount}/"
        names = {"dnsmasq", Path(self.flavour.daemons[0]).name}
        return processes.find(
            lambda line: bool(line) and Path(line[0]).name in names and any(inside in word for word in line)
        )


def guarded_profile(bridge: str, pool: str) -> dict[str, object]:
    """The same for members: no container sends as somebody else, or takes the whole machine.

    The operator's guide shows it, too. More than 150 of them need more user ids than a distribution gives by itself.
    """
    filters = {f"security.{each}_filtering": "true" for each in ("mac", "ipv4", "ipv6")}
    return {
        "name": PROFILE,
        "description": "webspaces",
        "config": {
            "boot.autostart": "false",
            "limits.cpu": "1",
            "limits.memory": "512MiB",
            "limits.processes": "500",
            "security.idmap.isolated": "true",
        },
        "devices": {
            "eth0": {"type": "nic", "name": "eth0", "network": bridge, **filters},
            "root": {"type": "disk", "path": "/", "pool": pool, "size": "5GiB"},
        },
    }


def profile_definition(bridge: str, pool: str) -> dict[str, object]:
    """The profile that every webspace has.

    Without autostart: otherwise LXD starts whatever died while it was away, or ran when it was shut down.
    """
    return {
        "name": PROFILE,
        "description": "webspaces",
        "config": {"boot.autostart": "false"},
        "devices": {
            "eth0": {"type": "nic", "name": "eth0", "network": bridge},
            "root": {"type": "disk", "path": "/", "pool": pool},
        },
    }
