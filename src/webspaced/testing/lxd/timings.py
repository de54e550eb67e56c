"""How long things take, and how containers of an image behave. Seconds; medians of a real machine (two shared cores)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from attrs import frozen


@frozen(kw_only=True)
class Timings:
    """Every duration of the simulator, in seconds."""

    request: float = 0.002
    """Until an answer to anything that is read."""
    state: float = 0.007
    """Until the answer to a ``/state`` of what runs; LXD looks into the container."""
    listed: float = 0.00015
    """More for each instance of a list."""
    metrics_kept: float = 8.0
    """The same metrics are told for so long."""
    accept: float = 0.004
    """Until a change is accepted (202) or refused."""
    update: float = 0.012
    create: float = 0.055
    copy: float = 0.1
    rename: float = 0.025
    delete: float = 0.02
    start: float = 0.18
    crashing_start: float = 5.17
    """A first process that ends at once: LXD waits for it, and then calls the start a success."""
    address: float = 0.13
    """From the end of the start until the address is there."""
    port: float = 0.14
    """From the end of the start until the first ports are open."""
    death: float = 0.02
    """From the signal of a forced stop to the end of the processes."""
    shutdown: float = 0.02
    """The same for a graceful one; more than the stop's timeout makes it fail."""
    cleanup: float = 0.65
    """From the end of the processes until LXD is done with it: the stop window."""
    freeze: float = 0.001
    exec: float = 0.015
    """From the request to a command's start."""
    daemon_start: float = 0.6
    """From the start of a killed LXD until it answers."""
    ping: float = 10.0
    """Between the pings of an event stream."""
    operation_kept: float = 5.0
    """How long an operation that ended can still be asked for."""
    connect_sockets: float = 5.0
    """Within which the WebSockets of an exec must be connected."""


@frozen(kw_only=True)
class Behaviour:
    """What a container does once it runs; ``web`` and ``echo`` tell after how many more seconds the port opens."""

    web: float | None = 0.0
    echo: float | None = 0.0
    warm: float = 0.0
    """So long the web port answers 503."""
    address: bool = True
    crashes: bool = False
    """Whether its first process ends at once."""
    heeds: bool = True
    """Whether it heeds a graceful stop."""
    mirror: float | None = 0.0
    """After how many seconds from its start package servers can be reached; ``None``: never."""
    failing: frozenset[str] = frozenset()
    """Commands that fail there."""
    stuck: frozenset[str] = frozenset()
    """Package managers that never end."""
    brings: frozenset[str] = frozenset()
    """Programs of the table that its image brings, such as ``dropbear``."""
    loses: float = 0.0
    """Seconds for which what a command writes is on its way; ended meanwhile, it is lost, as LXD 5.0 does under load."""


VARIANTS: Mapping[str, Behaviour] = MappingProxyType({
    "fast": Behaviour(),
    "slow": Behaviour(web=2.0),
    "warming": Behaviour(warm=1.5),
    "never": Behaviour(web=None, echo=None),
    "nonet": Behaviour(address=False),
    "ssh": Behaviour(brings=frozenset({"dropbear"})),
    "packages": Behaviour(mirror=1.0),
    "nopasswd": Behaviour(failing=frozenset({"chpasswd"})),
    "crash": Behaviour(web=None, echo=None, address=False, crashes=True),
})
"""The variants of the project's tiny images (see ``harness/tiny_image.py``)."""
SYSTEMS = MappingProxyType({"packages": "Debian"})
"""What they call their systems, where that is not busybox."""
