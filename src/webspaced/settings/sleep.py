"""Settings of sleep: when webspaces that nobody uses doze and are stopped, and who makes room."""

# ruff: noqa: RUF009 - attrs fields, declared by functions that ruff does not know

from __future__ import annotations

import attrs

from webspaced.settings.fields import section, setting
from webspaced.settings.kinds import TIME_ZONE, choice, duration, listing, number


@attrs.frozen(kw_only=True)
class SleepFloors:
    """What a container does at rest, per minute. Only what is more counts as activity.

    A Debian container at rest is below these, and one visit is above: the operator's manual has what was measured, and how
    to measure yours.
    """

    sent: float = setting(number(0), "Bytes that it sends.", default=500.0, unit="bytes per minute", live=True)
    received: float = setting(
        number(0),
        "Bytes that it receives: at rest what others broadcast as they start.",
        default=65536.0,
        unit="bytes per minute",
        live=True,
    )
    cpu: float = setting(number(0), "Processor time that it takes.", default=1.2, unit="seconds per minute", live=True)


@attrs.frozen(kw_only=True)
class Sleep:
    """When webspaces that nobody uses fall asleep. Whoever visits one wakes it."""

    doze_after: float = setting(
        duration(),
        "Idle time after which a webspace is frozen: its memory stays, and it wakes within some ten milliseconds. 0 for"
        " never; `5m` is a good start.",
        default=0.0,
        unit="seconds",
        live=True,
    )
    stop_after: float = setting(
        duration(),
        "Idle time after which a webspace is stopped: it costs nothing any more, and its next visitor waits for a boot. 0"
        " for never; `1h` is a good start.",
        default=0.0,
        unit="seconds",
        live=True,
    )
    look: float = setting(
        duration(0.1),
        "How often it is looked who is active: one request to LXD for all that run.",
        default=30.0,
        unit="seconds",
        live=True,
    )
    least: float = setting(
        duration(),
        "Who was active within this time is not stopped to make room for others. One that its schedule wakes stays awake for"
        " as long, and in quiet hours this is the idle time after which a webspace falls asleep.",
        default=60.0,
        unit="seconds",
        live=True,
    )
    floors: SleepFloors = section(SleepFloors)
    allow: tuple[str, ...] = setting(
        listing(choice("doze", "awake", "sleepAfter", "keepAwake", "wakeAt", "quietHours")),
        "What members may choose for their webspaces: never to be stopped, never to sleep, after which idle time, to be"
        " kept awake for a while, at which times to be woken, and in which hours to sleep as soon as nobody uses them.",
        default=("doze", "sleepAfter", "keepAwake", "wakeAt", "quietHours"),
        live=True,
    )
    max_awake: float = setting(
        duration(),
        "The longest that a member may keep a webspace awake at a time.",
        default=86400.0,
        unit="seconds",
        live=True,
    )
    wake_every: float = setting(
        duration(60),
        "The least time between two times at which a webspace wakes by its member's schedule (`wakeAt`).",
        default=300.0,
        unit="seconds",
        live=True,
    )
    time_zone: str = setting(
        TIME_ZONE,
        "In which members' times of the day are meant (`wakeAt`, `quietHours`), such as `Europe/Berlin`. Empty for that of"
        " this machine.",
        default="",
        live=True,
    )
    memory_low: float = setting(
        number(0, 100),
        "When less of a machine's memory is free, webspaces that doze are stopped, then idle ones, and no others are"
        " started. 0 sets no bound; it counts only where webspaces fall asleep at all, or `webspaces.max_running` is set.",
        default=10.0,
        unit="percent",
        live=True,
    )
    memory_high: float = setting(
        number(0, 100),
        "So much has to be free again for that to end.",
        default=15.0,
        unit="percent",
        live=True,
    )
    memory_pressure: float = setting(
        number(0, 100),
        "The same holds while something waits for memory for so much of the time, where webspaced runs on the machine of the"
        " containers (pressure stall information, `some avg10`). 0 sets no bound.",
        default=40.0,
        unit="percent",
        live=True,
    )
