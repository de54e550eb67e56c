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
    Three silent intervals of half a second are what it waits for; the address is announced three times.
    """
    own = (lan.router,) if lan.router6 is None else (lan.router, lan.router6)
    instances = (
        _instance(f"lan{'' if each.version == 4 else each.version}", str(each), lan, priority, group)  # noqa: PLR2004
        for each in own
    )
    return "global_defs {\n  vrrp_version 3\n}\n" + _check(operators) + "".join(instances)


def _check(operators: Address) -> str:
    # One that cannot serve lets the other one do it.
    everywhere = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (compared, not bound)
    where = Address(everywhere.get(operators.host, operators.host), operators.port)
    return (
        "vrrp_script ready {\n"
        f'  script "/usr/bin/curl --silent --fail --output /dev/null --max-time 1 http://{where}/ready"\n'
        "  interval 1\n  fall 2\n  rise 1\n}\n"
    )


def _instance(name: str, address: str, lan: Lan, priority: int, group: int) -> str:
    return (
        f"vrrp_instance {name} {{\n"
        "  state BACKUP\n  nopreempt\n"
        f"  interface {lan.interface}\n  virtual_router_id {group}\n  priority {priority}\n  advert_int 0.5\n"
        "  garp_master_repeat 1\n  garp_master_delay 1\n"
        f"  virtual_ipaddress {{\n    {address} dev {lan.interface}\n  }}\n"
        "  track_script {\n    ready\n  }\n}\n"
    )
