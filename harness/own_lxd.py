"""The private LXD of a folder, found again with what was chosen for it the first time."""

import json
from pathlib import Path

from harness import flavour as flavours
from harness import network, packages
from harness.flavour import Flavour
from harness.places import write_private
from harness.private_lxd import PrivateLxd, short_name
from harness.saying import say

_FLAVOURS = {known.name: known for known in (flavours.LXD, flavours.INCUS)}


def _file(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.json")


def known(directory: Path) -> PrivateLxd | None:
    """The one whose state lies in a directory, if there ever was one."""
    try:
        facts = json.loads(_file(directory).read_text(encoding="utf-8"))
    except OSError:
        return None
    return PrivateLxd(
        directory, facts["bridge"], facts["subnet"],
        mount=Path(facts["mount"]), flavour=_FLAVOURS[facts["flavour"]], nat=facts["nat"],
        guarded=facts.get("guarded", False),
    )


def ensured(
    directory: Path, *, nat: bool = False, guarded: bool = False, flavour: Flavour | None = None
) -> PrivateLxd:
    """The one of a directory, up; installs packages and chooses a network the first time. Needs root.

    `flavour` is which of the two, the first time; by default what the distribution has.
    """
    lxd = known(directory) or _chosen(directory, flavour, nat=nat, guarded=guarded)
    _install(lxd.flavour)
    say(f"private {lxd.flavour.name}: {lxd.directory}, seen by it as {lxd.mount}, network {lxd.subnet} ...")
    lxd.up()
    return lxd


def _install(flavour: Flavour) -> None:
    packages.ensure(flavour.packages, f"a private {flavour.name}", backports=flavour is flavours.INCUS)


def _chosen(directory: Path, flavour: Flavour | None, *, nat: bool, guarded: bool) -> PrivateLxd:
    flavour = flavour or flavours.for_this_machine()
    _install(flavour)
    bridge = f"wsd{short_name(directory)}"
    lxd = PrivateLxd(directory, bridge, network.free_subnet(), flavour=flavour, nat=nat, guarded=guarded)
    facts = {
        "bridge": bridge, "subnet": lxd.subnet, "mount": str(lxd.mount), "flavour": flavour.name, "nat": nat,
        "guarded": guarded,
    }
    directory.parent.mkdir(parents=True, exist_ok=True)
    write_private(_file(directory), json.dumps(facts, indent=1))
    return lxd


def put_down(directory: Path) -> None:
    """Stop the one of a directory with all its containers, which stay; idempotent."""
    lxd = known(directory)
    if lxd is not None:
        say(f"stopping the private {lxd.flavour.name} ...")
        lxd.down()


def delete(directory: Path) -> None:
    """Stop and remove the one of a directory, with all its containers; idempotent."""
    lxd = known(directory)
    if lxd is not None:
        say(f"removing the private {lxd.flavour.name} in {directory} ...")
        lxd.delete()
        _file(directory).unlink(missing_ok=True)
