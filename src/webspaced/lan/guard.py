"""An allow-list: VXLAN knows no authentication, so nftables drops what does not come from a peer (nft(8))."""

from __future__ import annotations

from collections.abc import Collection

from webspaced.lan.overlay import IPAddress, Overlay

FAMILY = "inet"


def table_of(overlay: Overlay) -> str:
    """Give the name of our table; no other one is touched."""
    return f"webspaced_lan_{overlay.interface.replace('-', '_')}"


def ruleset(overlay: Overlay, peers: Collection[IPAddress]) -> str:
    """Give what replaces our table at once, and nothing else.

    It is asked before conntrack, as early as there is a place: what is dropped costs little.
    """
    version = overlay.local.version
    kind, header = ("ipv4_addr", "ip") if version == 4 else ("ipv6_addr", "ip6")  # noqa: PLR2004
    name = f"{FAMILY} {table_of(overlay)}"
    elements = ", ".join(map(str, sorted(peers, key=int)))
    members = f"        elements = {{ {elements} }}\n" if elements else ""
    return (
        f"table {name}\ndelete table {name}\n"
        f"table {name} {{\n"
        f"    set peers {{\n        type {kind}\n{members}    }}\n"
        "    chain strangers {\n"
        "        type filter hook prerouting priority raw; policy accept;\n"
        "        iif lo accept\n"
        f"        udp dport {overlay.port} {header} saddr != @peers counter drop\n"
        f"        meta nfproto {'ipv6' if version == 4 else 'ipv4'} udp dport {overlay.port} counter drop\n"  # noqa: PLR2004
        "    }\n}\n"
    )


def removal(overlay: Overlay) -> str:
    """Give what removes our table, whether it is there or not."""
    name = f"{FAMILY} {table_of(overlay)}"
    return f"table {name}\ndelete table {name}\n"
