"""Servers that a container seems to run: it relays a port of its own to this process, as it has little besides busybox."""

from __future__ import annotations

import ipaddress
from typing import Any


def gateway_of(stack: Any) -> str:
    """Give the address of this machine on the containers' network."""
    return str(ipaddress.ip_network(stack.lxd.subnet)[1])


def relay_inside(stack: Any, ports: dict[int, int], uid: int = 1) -> None:
    """Have a container (Alice's), which runs, relay ports of its own to ports of this machine, now and at each start."""
    for own, port in ports.items():
        line = f"nc -ll -p {own} -e /bin/nc {gateway_of(stack)} {port} >/dev/null 2>&1 &"
        # Before it has its address: what is asked for upon that is there then.
        stack.run_inside("sh", "-c", f"sed -i '2i {line}' /etc/rc; /bin/{line}", uid=uid)


def sleeps(stack: Any) -> None:
    """Stop Alice's container in order."""
    answer = stack.ask("DELETE", "/v1/webspace/self/state")
    assert answer.status == 204, answer
    assert stack.status() == "Stopped"


def configure(stack: Any, member: str = "alice", **config: Any) -> None:
    """Change the configuration of a webspace, which must work."""
    answer = stack.ask("PATCH", "/v1/webspace/self/config", config, token=f"token-{member}")
    assert answer.status == 200, answer
