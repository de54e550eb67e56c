"""What LXD 5.0 and Incus 6.0 do differently, as seen on both."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Flavour:
    """One of the two servers."""

    name: str
    version: str
    failures_are_errors: bool
    """Waiting for a failed operation gives an error document (Incus), or the operation itself (LXD)."""
    dead_shows_running: bool
    """Within the stop window the instance still counts as running and ``/state`` fails (Incus), or as stopped (LXD)."""
    stops_join: bool
    """A second stop waits for the first (Incus), or fails as there is nothing to stop (LXD)."""
    missing_alias_in_operation: bool
    """A missing image alias fails the operation (Incus), or is a 404 (LXD)."""
    reboot_says_shutdown: bool
    """A reboot inside sends ``instance-shutdown`` before ``instance-restarted`` (LXD)."""
    full_events: bool
    """Lifecycle events have the instance's name and project, and nearly always a requestor (Incus)."""
    wait_timeout_is_error: bool
    """A wait that runs out of time is an error (Incus), or gives the running operation (LXD)."""
    both_resources: bool
    """Operations name instances as containers, too (LXD)."""
    outputs_apart: bool
    """Recorded outputs lie below ``logs/exec-output`` (Incus), or in ``logs`` (LXD)."""
    one_console: bool
    """A second console is refused unless forced (Incus), or shows an error (LXD)."""
    terminal_outlives_its_client: bool
    """An interactive command goes on when its terminal is closed (Incus), or gets SIGHUP (LXD)."""
    unpacking: str
    """What the progress of a creation begins with."""
    wrong_secret: tuple[int, str]
    unknown_event_type: int
    """The status for an event type that there is not."""
    hwaddr_prefix: str
    header_prefix: str


LXD = Flavour(
    name="lxd",
    version="5.0.2",
    failures_are_errors=False,
    dead_shows_running=False,
    stops_join=False,
    missing_alias_in_operation=False,
    reboot_says_shutdown=True,
    full_events=False,
    wait_timeout_is_error=False,
    both_resources=True,
    outputs_apart=False,
    one_console=False,
    terminal_outlives_its_client=False,
    unpacking="Unpack",
    wrong_secret=(500, "permission denied"),
    unknown_event_type=500,
    hwaddr_prefix="00:16:3e",
    header_prefix="X-LXD-",
)
INCUS = Flavour(
    name="incus",
    version="6.0.4",
    failures_are_errors=True,
    dead_shows_running=True,
    stops_join=True,
    missing_alias_in_operation=True,
    reboot_says_shutdown=False,
    full_events=True,
    wait_timeout_is_error=True,
    both_resources=False,
    outputs_apart=True,
    one_console=True,
    terminal_outlives_its_client=True,
    unpacking="Unpacking image",
    wrong_secret=(403, "Forbidden"),
    unknown_event_type=400,
    hwaddr_prefix="10:66:6a",
    header_prefix="X-Incus-",
)
