"""What the settings mean to those who go by them while webspaced runs: at the start, and after each reload.

The parts that are built elsewhere of settings that change (visitors, sleep, the API's sites, IAM) follow them there.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from webspaced.assembly.addresses import claim_rules
from webspaced.core.config import Choices, Config
from webspaced.core.protocol import Protocol
from webspaced.parts.knowledge import Knowledge
from webspaced.settings import Settings
from webspaced.webspaces.boot_limits import BootLimits
from webspaced.webspaces.gate import Patience
from webspaced.webspaces.observed import Observed
from webspaced.webspaces.power import Power, StopTimes
from webspaced.webspaces.service import WebspaceService


def patience(settings: Settings) -> Patience:
    """Give for how long ports are waited for."""
    webspaces = settings.webspaces
    return Patience(ready_timeout=webspaces.ready_timeout, max_startup_delay=webspaces.max_startup_delay)


def boot_limits(settings: Settings, departed: Callable[[Observed], bool]) -> BootLimits:
    """Give the bounds on boots. ``departed``: whether a webspace has had no member for too long."""
    webspaces = settings.webspaces
    return BootLimits(
        max_concurrent=webspaces.max_concurrent_boots, ip_timeout=webspaces.ip_timeout, departed=departed
    )


def config_defaults(settings: Settings) -> Config:
    """Give what holds where a member has set nothing."""
    defaults = settings.webspaces.config_defaults
    return Config(
        startup_delay=defaults.startup_delay,
        http_port=defaults.http_port,
        sni_passthrough=defaults.sni_passthrough,
        protocol=Protocol(defaults.protocol),
    )


def stop_times(settings: Settings) -> StopTimes:
    """Give how long a stop may take."""
    return StopTimes(drain=settings.webspaces.drain_time, graceful=settings.webspaces.stop_timeout)


def choices(settings: Settings) -> Choices:
    """Give what members may choose."""
    webspaces = settings.webspaces
    return Choices(
        max_startup_delay=webspaces.max_startup_delay, sleep=webspaces.sleep.allow, wake_every=webspaces.sleep.wake_every
    )


@frozen(kw_only=True)
class Tuned:
    """Those who go by settings that change."""

    known: Knowledge
    power: Power
    service: WebspaceService

    def follow(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        known, webspaces = self.known, settings.webspaces
        known.gate.patience = patience(settings)
        known.booter.bound(boot_limits(settings, known.departures.has_departed))
        known.room.bound(webspaces.max_running, webspaces.max_wait)
        known.departures.change_grace(settings.iam.grace)
        known.claims.change_rules(claim_rules(settings))
        self.power.times = stop_times(settings)
        self.service.follow(choices(settings), webspaces.ports.max)
        self.service.creator.bound(webspaces.max_concurrent_boots, webspaces.install_timeout)
