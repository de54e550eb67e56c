"""Settings for more than one daemon."""



from __future__ import annotations

import attrs

from webspaced.settings.fields import setting
from webspaced.settings.kinds import NAME, choice


@attrs.frozen(kw_only=True)
class Leadership:
    """Of several daemons for the same webspaces, one leads."""

    lease: str = setting(
        choice("lxd", "kubernetes"),
        "Where the daemon that leads says so: in LXD, and a second daemon does not start; or in a Lease of Kubernetes,"
        " and others stand by.",
        default="lxd",
        computed="`kubernetes` with the provider `kubernetes`, else `lxd`",
    )
    name: str = setting(NAME, "The name of the Lease, in the namespace of webspaced's pods.", default="webspaced")
    pod: str | None = setting(
        NAME,
        "The name of webspaced's own pod, which gets the label `webspaced/leader=true` while it leads.",
        default=None,
        computed="the machine's name, which in a pod is the pod's",
    )
