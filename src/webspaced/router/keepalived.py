"""keepalived's configuration for two routers that are no pods (keepalived.conf(5)): it moves the addresses by VRRP."""

from __future__ import annotations

from webspaced.router.lan import Lan
from webspaced.settings import Address

GROUP = 74
"""The virtual router's number (RFC 5798, 5.2.3): any from 1 to 255 that nobody else on that network uses."""


def configuration(lan: Lan, operators: Address, priority: int, group: int = GROUP) -> str:
    """Give the configuration of one of the routers; of two that begin together the greater priority has the addresses.

    :param operators: where the router tells whether it is ready.

    Both begin as backup and nobody pushes the other away, so that a router that comes back does not cause a second move.
    Three silent intervals of half a second are what it waits for; the router announces the address three times.
    """
    head = "global_defs {\n  vrrp_version 3\n  enable_script_security\n  script_user nobody\n}\n"
    return head + _check(operators) + _instance(lan, priority, group)


def _check(operators: Address) -> str:
    # One that cannot serve lets the other one do it.
    everywhere = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (compared, not bound)
    where = Address(everywhere.get(operators.host, operators.host), operators.port)
    return (
        "vrrp_script ready {\n"
        f'  script "/usr/bin/curl --silent --fail --output /dev/null --max-time 1 http://{where}/ready"\n'
        "  interval 1\n  fall 2\n  rise 1\n}\n"
    )


def _instance(lan: Lan, priority: int, group: int) -> str:
    # Both addresses move together: one of IPv6 is not spoken of in the packets, which are of IPv4.
    second = "" if lan.router6 is None else _addresses("virtual_ipaddress_excluded", f"{lan.router6} dev {lan.interface}")
    return (
        "vrrp_instance lan {\n"
        "  state BACKUP\n  nopreempt\n"
        f"  interface {lan.interface}\n  virtual_router_id {group}\n  priority {priority}\n  advert_int 0.5\n"
        "  garp_master_repeat 1\n  garp_master_delay 1\n"
        + _addresses("virtual_ipaddress", f"{lan.router} dev {lan.interface}")
        + second
        + "  track_script {\n    ready\n  }\n}\n"
    )


def _addresses(block: str, line: str) -> str:
    return f"  {block} {{\n    {line}\n  }}\n"
