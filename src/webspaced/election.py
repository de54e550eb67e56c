"""Which lease the daemon struggles for, and under which name."""

from __future__ import annotations

from typing import Any

from webspaced.core.lease import LeaseTimes
from webspaced.leadership import Leadership
from webspaced.lib.instance_lock import installation_name
from webspaced.lxd.client import LxdClient
from webspaced.lxd.owner import OwnerLease
from webspaced.settings import Settings

OWNER_TIMES = LeaseTimes(duration=30.0, deadline=20.0, pause=5.0)
"""Each renewal writes to LXD's database."""


def leadership_for(reactor: Any, settings: Settings, client: LxdClient) -> Leadership:
    """Give the struggle for the mark in LXD: a second daemon is refused.

    :raises Unavailable: ``data_dir``, which holds our name, cannot be written.
    """
    lease = OwnerLease(client, settings.lxd.project, settings.webspaces.instance_prefix)
    return Leadership(reactor, lease, installation_name(settings.data_dir), OWNER_TIMES, queues=False)
