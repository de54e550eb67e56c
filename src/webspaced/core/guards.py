"""What a profile for strangers should have: filters against neighbours, and bounds on what a container takes.

Sources: https://documentation.ubuntu.com/lxd/en/latest/reference/devices_nic/ and .../reference/instance_options/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

FILTERS = ("security.mac_filtering", "security.ipv4_filtering", "security.ipv6_filtering")
"""They keep a container from sending as somebody else: without them it can take its neighbours' visitors."""
BOUNDS = {
    "limits.memory": "512MiB",
    "limits.processes": "500",
    "limits.cpu": "1",
    "security.idmap.isolated": "true",
}
"""Keys of a profile, with a value to begin with. Without them one container can take the whole machine."""
ROOT_SIZE = "5GiB"


def guards_lacking(
    profile: str, config: Mapping[str, str], devices: Mapping[str, Mapping[str, str]], nic: str, managed: bool, client: str
) -> Iterator[str]:
    """Say what a profile lacks, each with the command that mends it.

    :param managed: whether LXD manages the NIC's network: elsewhere the address filters keep DHCP's answers out.
    """
    lacking = filters_lacking(devices.get(nic, {}), FILTERS if managed else FILTERS[:1])
    if lacking:
        settings = " ".join(f"{key}=true" for key in lacking)
        yield (
            f"the LXD profile {profile} lets a container take its neighbours' visitors; to prevent that:"
            f" {client} profile device set {profile} {nic} {settings}"
        )
    unbounded = {key: value for key, value in BOUNDS.items() if not config.get(key)}
    if unbounded:
        settings = " ".join(f"{key}={value}" for key, value in unbounded.items())
        yield (
            f"the LXD profile {profile} lets one container take the whole machine; to bound that (values to begin"
            f" with): {client} profile set {profile} {settings}"
        )
    roots = [name for name, each in devices.items() if each.get("type") == "disk" and each.get("path") == "/"]
    if roots and not devices[roots[0]].get("size"):
        yield (
            f"the LXD profile {profile} sets no bound on a container's disk; to set one, on a pool that keeps it"
            f" (not dir): {client} profile device set {profile} {roots[0]} size={ROOT_SIZE}"
        )


def filters_lacking(device: Mapping[str, str], filters: Sequence[str] = FILTERS) -> list[str]:
    """Give the filters that a NIC lacks."""
    return [key for key in filters if device.get(key) != "true"]


def copies_advice(example: str, count: int, nic: str, prefix: str, client: str) -> str:
    """Say that webspaces' own NICs lack filters, whatever the profile has, with the command that mends them all.

    :param example: the name of one of their instances.
    """
    settings = " ".join(f"{key}=true" for key in FILTERS)
    many = f"{count} webspaces, such as {example}, have a NIC of their own that lets" if count > 1 else (
        f"the webspace {example} has a NIC of its own that lets"
    )
    return (
        f"{many} a container take its neighbours' visitors, whatever the profile has; to prevent that:"
        f" for each in $({client} list --format csv --columns n {prefix});"
        f" do {client} config device set $each {nic} {settings}; done"
    )


def unmanaged_advice(bridge: str, *, has_source: bool) -> str:
    """Say what it means that LXD does not manage the webspaces' network."""
    if has_source:
        return (
            f"LXD does not manage the network {bridge}: whose an address is comes from webspaces.leases, and only as far"
            " as nobody can ask DHCP in another's name there"
        )
    return (
        f"LXD does not manage the network {bridge}, and webspaces.leases is not set: whoever has an address first keeps"
        " it, so a container can take one that a sleeping webspace had. Set webspaces.leases to the DHCP server's lease"
        " file or to a URL of its leases"
    )


def unknown_member_advice(bridge: str) -> str:
    """Say what it means that nobody knows which cluster member's bridge is reached."""
    return (
        f"each member of the LXD cluster has a bridge {bridge} of its own with the same addresses, and over https nobody can"
        " say which one is reached from here: no webspace on them is served. Set lxd.member to the member on whose machine"
        " webspaced runs, or use a network that spans the members"
    )
