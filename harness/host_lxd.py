"""The machine's own LXD or Incus, used in a project of our own."""

from pathlib import Path
from typing import Any

from harness import places
from harness.private_lxd import PROFILE, guarded_profile
from harness.rest import Refused, Rest, path_of
from harness.saying import CannotGoOn, say

PROJECT = "webspaced"
SOCKETS = (
    Path("/var/lib/incus/unix.socket"),
    Path("/run/incus/unix.socket"),
    Path("/var/snap/lxd/common/lxd/unix.socket"),
    Path("/var/lib/lxd/unix.socket"),
)

_NOTE = places.RUN / "host-lxd"


def find(named: Path | None = None) -> Path:
    """The socket of a server that answers us; the named one, or the first known one."""
    complaints = []
    for path in [named] if named else SOCKETS:
        try:
            trusted = Rest(path, timeout=10).get("/1.0")["auth"] == "trusted"
        except FileNotFoundError:
            continue
        except (OSError, Refused) as error:
            complaints.append(f"  {path}: {error}")
            continue
        if trusted:
            return path
        complaints.append(f"  {path}: does not trust this user")
    raise CannotGoOn(_none_found(complaints))


def _none_found(complaints: list[str]) -> str:
    seen = "\n".join(complaints) if complaints else "  (no socket of either was found)"
    return (
        f"no LXD or Incus of this machine answers:\n{seen}\n"
        "What would help: run as root (a private LXD is made then), or install LXD or Incus, initialise it, and add "
        "yourself to the group lxd or incus-admin. LXD=simulated needs neither."
    )


def remember(path: Path) -> None:
    """Note that this checkout uses a project there, for `make clean`."""
    _NOTE.write_text(str(path), encoding="utf-8")


def remembered() -> Path | None:
    """Where this checkout uses a project, if it does."""
    return Path(_NOTE.read_text(encoding="utf-8")) if _NOTE.exists() else None


def prepare(path: Path) -> Rest:
    """Our project with its profile on a server; idempotent. Gives its API in that project."""
    server = Rest(path)
    if not server.exists(path_of("projects", PROJECT)):
        features = {"features.images": "true", "features.profiles": "true"}
        definition = {"name": PROJECT, "description": "made by webspaced", "config": features}
        server.ask("POST", "/1.0/projects", definition)
    project = Rest(path, PROJECT)
    if not project.exists(path_of("profiles", PROFILE)):
        project.ask("POST", "/1.0/profiles", guarded_profile(_bridge(server), _pool(server)))
    return project


def _default_devices(server: Rest) -> list[dict[str, str]]:
    devices: dict[str, dict[str, str]] = server.get("/1.0/profiles/default")["devices"]
    return list(devices.values())


def _bridge(server: Rest) -> str:
    """The managed bridge of the default profile, or the first one: only there LXD knows the subnet."""
    networks = server.get("/1.0/networks?recursion=1")
    bridges = [net["name"] for net in networks if net["managed"] and net["type"] == "bridge"]
    preferred = [device.get("network") for device in _default_devices(server) if device["type"] == "nic"]
    for name in [*preferred, *bridges]:
        if name in bridges:
            return str(name)
    raise CannotGoOn("the machine's LXD has no managed bridge: `lxc network create lxdbr0` (or incus) makes one")


def _pool(server: Rest) -> str:
    """The storage pool of the default profile, or the first one."""
    disks = [device for device in _default_devices(server) if device.get("path") == "/"]
    pools = [disk["pool"] for disk in disks if "pool" in disk]
    pools += [pool["name"] for pool in server.get("/1.0/storage-pools?recursion=1")]
    if not pools:
        raise CannotGoOn("the machine's LXD has no storage pool: `lxc storage create default dir` (or incus) makes one")
    return str(pools[0])


def remove(path: Path) -> None:
    """Our project and all that is in it; idempotent."""
    server, project = Rest(path), Rest(path, PROJECT)
    if not server.exists(path_of("projects", PROJECT)):
        return
    say(f"removing the project {PROJECT} from {path} ...")
    for instance in project.get("/1.0/instances?recursion=1"):
        _remove_instance(project, instance)
    for image in project.get("/1.0/images?recursion=1"):
        project.ask("DELETE", path_of("images", image["fingerprint"]))
    for profile in project.get("/1.0/profiles?recursion=1"):
        if profile["name"] != "default":
            project.ask("DELETE", path_of("profiles", profile["name"]))
    server.ask("DELETE", path_of("projects", PROJECT))


def _remove_instance(project: Rest, instance: dict[str, Any]) -> None:
    where = path_of("instances", instance["name"])
    if instance["status"] != "Stopped":
        project.ask("PUT", f"{where}/state", {"action": "stop", "force": True, "timeout": 30})
    project.ask("DELETE", where)
