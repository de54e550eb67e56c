"""A webspace as it was last seen in LXD."""

from __future__ import annotations

from attrs import evolve, frozen

from webspaced.core.config import Config
from webspaced.core.instance import Instance, IPAddress, Status
from webspaced.core.kept_certificates import NONE, Kept, load
from webspaced.core.probing import Ask, web_asks
from webspaced.core.sleep import DOZING_KEY, Depth, is_doze_mark
from webspaced.core.webspace import (
    CREATING_KEY,
    KEY,
    Webspace,
    boot_port_of,
    load_webspace,
    unknown_since_of,
    username_of,
)
from webspaced.errors import Invalid


@frozen(kw_only=True)
class Observed:
    """A webspace as last seen. ``claims`` are the addresses that it shows, ``None`` while not read in this incarnation."""

    uid: int
    instance: Instance
    webspace: Webspace
    username: str | None
    boot_port: int | None
    claims: tuple[IPAddress, ...] | None = None
    addresses: tuple[IPAddress, ...] = ()
    """Those at which it can be reached, the one that was used first at the head."""
    untold: bool = False
    """Whether LXD cannot tell its state now: that of ``instance`` is what was seen last."""
    unknown_since: float | None = None
    """Since when (seconds since the epoch) IAM has not known its member."""
    certificates: Kept = NONE
    """What its member has brought for domains."""
    doze_mark: str | None = None
    """What webspaced wrote when it was about to freeze it: see :func:`webspaced.core.sleep.doze_mark`."""
    spent_mark: str | None = None
    """The mark of a doze that has ended: whoever froze it since then is somebody else."""
    unfinished: bool = False
    """Whether it is being created, or is what a creation left that nobody could undo: for nobody to use."""

    @property
    def name(self) -> str:
        """The instance's name in LXD, which also names its routes."""
        return self.instance.name

    @property
    def address(self) -> IPAddress | None:
        """The first of its addresses."""
        return self.addresses[0] if self.addresses else None

    @property
    def runs(self) -> bool:
        """Whether its processes run now."""
        return self.instance.status.runs

    @property
    def dozes(self) -> bool:
        """Whether webspaced froze it, and nobody else."""
        is_ours = is_doze_mark(self.doze_mark, self.instance.incarnation) and self.doze_mark != self.spent_mark
        return self.instance.status is Status.FROZEN and is_ours

    @property
    def lives(self) -> bool:
        """Whether it has processes, running or frozen: then it has the addresses that it had."""
        return self.runs or self.instance.status in (Status.FROZEN, Status.FREEZING)

    @property
    def depth(self) -> Depth:
        """How deep it sleeps; what others froze counts as asleep."""
        if self.runs:
            return Depth.AWAKE
        return Depth.DOZING if self.dozes else Depth.ASLEEP

    def as_it_was(self, known: Observed | None) -> Observed:
        """Give this with the state in which it was seen last, where LXD cannot tell the present one."""
        if not self.untold or known is None:
            return self
        was = known.instance
        instance = evolve(self.instance, status=was.status, last_used_at=was.last_used_at)
        return evolve(self, instance=instance, claims=known.claims, addresses=known.addresses)

    @property
    def web_asks(self) -> Ask:
        """What its web port is asked."""
        return web_asks(self.webspace.config)


def observe(uid: int, instance: Instance, defaults: Config) -> Observed:
    """Give what a webspace's instance says; ``Invalid`` if it is none of ours."""
    if KEY not in instance.config:
        message = f"{instance.name} has no {KEY}: it was not created by webspaced"
        raise Invalid(message)
    webspace = load_webspace(instance.config[KEY], defaults)
    # A renamed or copied instance still carries the other webspace's identity: that is not its own.
    own = webspace.user == uid
    return Observed(
        uid=uid,
        instance=instance,
        webspace=webspace.of(uid),
        username=username_of(instance.config) if own else None,
        boot_port=boot_port_of(instance.config) if own else None,
        untold=instance.status is Status.ERROR,
        unknown_since=unknown_since_of(instance.config) if own else None,
        doze_mark=instance.config.get(DOZING_KEY) or None,
        certificates=load(instance.config, uid) if own else NONE,
        # Of a copy, or of one that somebody renamed meanwhile, the marker tells nothing.
        unfinished=instance.config.get(CREATING_KEY) == instance.name,
    )
