"""Starting, stopping, restarting and freezing: every transition with its errors, events and durations, as seen on both.

A stop is not over when the processes are: LXD cleans up for another half second, the *stop window*, and only then ends the
operation and sends the event. Meanwhile LXD 5.0 says "Stopped" and Incus "Running", and neither starts it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from webspaced.testing.lxd.agenda import Agenda
from webspaced.testing.lxd.errors import Failed
from webspaced.testing.lxd.events import Events
from webspaced.testing.lxd.flavour import Flavour
from webspaced.testing.lxd.operations import Operation, Operations
from webspaced.testing.lxd.things import Instance, Phase
from webspaced.testing.lxd.timings import Timings

FOREVER = 600.0
"""Seconds of a graceful stop without a timeout (or a negative one)."""


class Insides(Protocol):
    """What runs in containers: told when their processes begin, halt, go on and end."""

    def began(self, instance: Instance) -> None:
        """Its first process runs."""

    def ended(self, instance: Instance) -> None:
        """All its processes are gone."""

    def halted(self, instance: Instance) -> None:
        """It was frozen."""

    def went_on(self, instance: Instance) -> None:
        """It was thawed."""


class Power:
    """Changes the run state of instances."""

    def __init__(
        self,
        agenda: Agenda,
        flavour: Flavour,
        timings: Timings,
        operations: Operations,
        events: Events,
        insides: Insides,
    ) -> None:
        self._agenda = agenda
        self._flavour = flavour
        self._timings = timings
        self._operations = operations
        self._events = events
        self._insides = insides
        self._pids = 1000
        self.in_use: Callable[[Instance], bool] = lambda _: False
        """Whether another running instance has its name on the bridge."""
        self.clash: Callable[[Instance], str] = lambda _: ""
        """The address on its NIC that another instance's NIC has as well, or nothing."""

    # --- what the API asks (each ends the operation, sooner or later)

    def start(self, instance: Instance, operation: Operation) -> None:
        """Start it. A second start ends as the first does."""
        if instance.busy == "start":
            instance.waiters.append(operation)
        elif instance.phase.alive or (instance.phase is Phase.DEAD and self._flavour.dead_shows_running):
            self._operations.fail(operation, Failed("The instance is already running"))
        elif instance.busy:
            doing = f'Failed to create instance start operation: Instance is busy running a "{_lock(instance)}" operation'
            self._operations.fail(operation, Failed(doing))
        elif self.in_use(instance):
            text = f'Failed start validation for device "eth0": Instance DNS name "{instance.name}" already used on network'
            self._operations.fail(operation, Failed(text, 409))
        elif address := self.clash(instance):
            text = f'Failed start validation for device "eth0": IP address "{address}" already defined on another NIC'
            self._operations.fail(operation, Failed(text))
        else:
            instance.busy = "start"
            instance.waiters = [operation]
            self._agenda.later(self._start_time(instance), self._started, instance, "instance-started")

    def _start_time(self, instance: Instance) -> float:
        return self._timings.crashing_start if instance.behaviour.crashes else self._timings.start

    def _started(self, instance: Instance, action: str, *, asked: bool = True) -> None:
        failed = _hindered(instance)
        if failed is not None:
            self._settle(instance, failed)
            return
        self._boot(instance)
        self._tell(instance, action, asked=asked)
        self._settle(instance)
        if instance.behaviour.crashes:
            self.die(instance)

    def _boot(self, instance: Instance) -> None:
        instance.phase = Phase.RUNNING
        self._pids += 1
        instance.pid = self._pids
        instance.up_at = self._agenda.seconds()
        instance.last_used_at = self._agenda.now()
        instance.log = bytearray() if instance.log is None else instance.log
        instance.set_keys(
            volatile__apply_template=None,
            volatile__eth0__host_name=f"veth{self._pids:08x}",
            volatile__last_state__power="RUNNING",
        )
        self._insides.began(instance)

    def _settle(self, instance: Instance, failed: Failed | None = None) -> None:
        """End what kept it busy, and the operations that waited for that."""
        instance.busy, instance.closing, instance.forced = "", None, False
        waiters, instance.waiters = instance.waiters, []
        for operation in waiters:
            if failed is None:
                self._operations.succeed(operation)
            else:
                self._operations.fail(operation, failed)

    def stop(self, instance: Instance, operation: Operation, timeout: float, *, force: bool) -> None:
        """Stop it; gracefully, within ``timeout`` seconds, unless forced."""
        if instance.closing is not None and (instance.phase.alive or self._joins_stop(instance)):
            self._overtake(instance, operation, force=force)
        elif not instance.phase.alive:
            self._operations.fail(operation, Failed("The instance is already stopped", 400))
        elif instance.busy:
            text = f'Create stop operation: Instance is busy running a "{_lock(instance)}" operation'
            self._operations.fail(operation, Failed(text))
        else:
            instance.busy = "stop"
            instance.waiters = [operation]
            action = "instance-stopped" if force else "instance-shutdown"
            instance.closing = lambda: self._stopped(instance, action)
            self._end_processes(instance, timeout, force=force)

    def _overtake(self, instance: Instance, operation: Operation, *, force: bool) -> None:
        """Join a stop or a restart that is under way, and end the processes now if forced."""
        (instance.joined if instance.busy == "restart" else instance.waiters).append(operation)
        if force and instance.deadline is not None:
            self._forget_deadline(instance)
            instance.forced = True
            self._agenda.later(self._timings.death, self._ended, instance, instance.pid)

    def _forget_deadline(self, instance: Instance) -> None:
        if instance.deadline is not None:
            self._agenda.cancel(instance.deadline)
            instance.deadline = None

    def _joins_stop(self, instance: Instance) -> bool:
        return self._flavour.stops_join and instance.busy == "stop"

    def restart(self, instance: Instance, operation: Operation, timeout: float, *, force: bool) -> None:
        """Stop it and start it again: on both servers one event, of the restart."""
        if instance.busy:
            text = f'Create restart operation: Instance is busy running a "{_lock(instance)}" operation'
            self._operations.fail(operation, Failed(text))
        elif not instance.phase.alive:
            self._operations.fail(operation, Failed("The instance is already stopped", 400))
        elif instance.phase is Phase.FROZEN and not force and self._flavour.full_events:
            self._operations.fail(operation, Failed("Instance is not running"))
        else:
            instance.busy = "restart"
            instance.waiters = [operation]
            instance.closing = lambda: self._start_again(instance)
            self._end_processes(instance, timeout, force=force)

    def _start_again(self, instance: Instance) -> None:
        self._cleaned(instance)
        self._agenda.later(self._start_time(instance), self._started, instance, "instance-restarted")

    def _end_processes(self, instance: Instance, timeout: float, *, force: bool) -> None:
        if not force and instance.phase is Phase.FROZEN:
            self._thaw(instance)
        patience = timeout if timeout > 0 else FOREVER
        if force:
            self._agenda.later(self._timings.death, self._ended, instance, instance.pid)
            return
        if instance.heeds:
            self._agenda.later(self._timings.shutdown, self._heeded, instance, instance.pid)
        instance.deadline = self._agenda.later(patience, self._still_running, instance)

    def _heeded(self, instance: Instance, pid: int) -> None:
        """End its processes as it was asked to, even if nobody waits for that any more."""
        if instance.pid == pid:
            self.die(instance)

    def _still_running(self, instance: Instance) -> None:
        instance.deadline = None
        text = 'Failed shutting down instance, status is "Running": context deadline exceeded'
        self._settle(instance, Failed(text))

    def _ended(self, instance: Instance, pid: int) -> None:
        if instance.pid != pid:
            # It ended in another way meanwhile, and may even run again.
            return
        self._forget_deadline(instance)
        hindered = _hindered(instance)
        if hindered is not None:
            self._settle(instance, hindered)
        elif instance.phase.alive:
            self._dead(instance)
            # A graceful stop that ran into its time-out has settled what was waited for.
            closing = instance.closing or (lambda: self._stopped(instance, "instance-stopped"))
            self._agenda.later(self._timings.cleanup, closing)

    def _dead(self, instance: Instance) -> None:
        instance.phase = Phase.DEAD
        instance.pid = 0
        instance.extra.clear()
        instance.set_keys(volatile__eth0__host_name=None)
        self._insides.ended(instance)

    def _stopped(self, instance: Instance, action: str, *, asked: bool = True) -> None:
        if instance.gone:
            self._settle(instance, Failed("Instance not found", 404))
            return
        self._cleaned(instance)
        instance.set_keys(volatile__last_state__power="STOPPED")
        self._tell(instance, action, asked=asked)
        if instance.forced:
            self._tell(instance, "instance-stopped")
        self._settle(instance)

    def _cleaned(self, instance: Instance) -> None:
        instance.phase = Phase.STOPPED
        instance.changed()
        joined, instance.joined = instance.joined, []
        for operation in joined:
            self._operations.succeed(operation)

    def freeze(self, instance: Instance, operation: Operation) -> None:
        """Halt its processes."""
        if instance.phase is Phase.FROZEN:
            self._operations.fail(operation, Failed("The container is already frozen"))
        elif instance.phase is not Phase.RUNNING:
            who = "instance" if self._flavour.full_events else "container"
            self._operations.fail(operation, Failed(f"The {who} isn't running"))
        else:
            self._agenda.later(self._timings.freeze, self._frozen, instance, operation)

    def _frozen(self, instance: Instance, operation: Operation) -> None:
        if instance.phase is not Phase.RUNNING:
            self._operations.fail(operation, Failed("freezing the container failed"))
            return
        self.halt(instance)
        self._operations.succeed(operation)
        self._tell(instance, "instance-paused")

    def unfreeze(self, instance: Instance, operation: Operation) -> None:
        """Let its processes go on."""
        if instance.phase is Phase.RUNNING:
            self._operations.fail(operation, Failed("The container is already running"))
        elif instance.phase is not Phase.FROZEN:
            self._operations.fail(operation, Failed("The container isn't running"))
        else:
            self._agenda.later(self._timings.freeze, self._unfrozen, instance, operation)

    def _unfrozen(self, instance: Instance, operation: Operation) -> None:
        if instance.phase is Phase.FROZEN:
            self._thaw(instance)
        self._operations.succeed(operation)

    def _thaw(self, instance: Instance) -> None:
        instance.phase = Phase.RUNNING
        instance.changed()
        self._insides.went_on(instance)
        self._tell(instance, "instance-resumed")

    # --- what happens behind the API's back

    def halt(self, instance: Instance) -> None:
        """Freeze it, now and without a word."""
        instance.phase = Phase.FROZEN
        instance.changed()
        self._insides.halted(instance)

    def die(self, instance: Instance, *, noticed: bool = True) -> None:
        """End its first process: a crash, or a power-off inside, which LXD cannot tell apart.

        LXD notices, cleans up and says "shutdown" without a requestor; when it is away it notices nothing.
        """
        if not instance.phase.alive:
            return
        if not noticed:
            self._dead(instance)
            self._cleaned(instance)
            return
        if not instance.busy:
            instance.busy = "stop"
            instance.closing = lambda: self._stopped(instance, "instance-shutdown", asked=False)
        # Else a stop that was under way ends with this death, and a restart goes on with its start.
        self._ended(instance, instance.pid)

    def reboot(self, instance: Instance) -> None:
        """Let it restart itself from inside."""
        if not instance.phase.alive or instance.busy:
            return
        instance.busy = "stop"
        instance.closing = lambda: self._reboot_cleaned(instance)
        self._ended(instance, instance.pid)

    def _reboot_cleaned(self, instance: Instance) -> None:
        self._cleaned(instance)
        if self._flavour.reboot_says_shutdown:
            instance.set_keys(volatile__last_state__power="STOPPED")
            self._tell(instance, "instance-shutdown", asked=False)
        instance.busy = "start"
        self._agenda.later(
            self._start_time(instance), lambda: self._started(instance, "instance-restarted", asked=False)
        )

    def boot_now(self, instance: Instance) -> None:
        """Have it run at once, without an event: LXD starts it as it comes up, or a test wants it so."""
        if instance.phase is Phase.STOPPED and not instance.busy:
            self._boot(instance)

    def interrupted(self, instance: Instance) -> None:
        """Forget what LXD was doing to it: LXD was killed."""
        instance.busy, instance.closing, instance.deadline, instance.forced = "", None, None, False
        instance.waiters, instance.joined = [], []
        if instance.phase is Phase.DEAD:
            self._cleaned(instance)

    def _tell(self, instance: Instance, action: str, *, asked: bool = True) -> None:
        self._events.lifecycle(
            action,
            f"/1.0/instances/{instance.name}",
            instance.project,
            name=instance.name,
            asked=asked,
            location=instance.location,
        )


def _hindered(instance: Instance) -> Failed | None:
    """Give why what was begun with it cannot be done now."""
    if instance.gone:
        return Failed("Instance not found", 404)
    return next((Failed(each.doom) for each in instance.waiters if each.doom), None)


def _lock(instance: Instance) -> str:
    """Give LXD's name of what keeps it busy: the first half of a restart is a stop to it."""
    return "restart" if instance.busy == "restart" and instance.phase.alive else instance.busy
