"""Which lease the daemon struggles for, under which name, and how others find the one that leads."""

from __future__ import annotations

import socket
import time
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred

from webspaced.assembly.cluster import Kubernetes
from webspaced.core.lease import LeaseTimes
from webspaced.interfaces import ILeaderMark
from webspaced.kube.lease import KubeLease, PodLabel
from webspaced.leadership.struggle import Leadership
from webspaced.lib.clocks import time_with_sleep
from webspaced.lib.instance_lock import installation_name
from webspaced.lxd.client import LxdClient
from webspaced.lxd.owner import OwnerLease
from webspaced.settings import Settings

OWNER_TIMES = LeaseTimes(duration=30.0, deadline=20.0, pause=5.0)
"""Each renewal writes to LXD's database."""
LEASE_TIMES = LeaseTimes(duration=15.0, deadline=10.0, pause=2.0)
"""As controllers of Kubernetes have them."""


@frozen
class Election:
    """The struggle, and what leads others to the winner, if anything does."""

    leadership: Leadership
    mark: ILeaderMark | None = None

    def remark(self) -> Deferred[None] | None:
        """Set the mark again while this daemon leads: somebody may have removed it."""
        if self.mark is None or not self.leadership.holds():
            return None
        return Deferred.fromCoroutine(self.mark.show())


def election_for(reactor: Any, settings: Settings, client: LxdClient, cluster: Kubernetes | None) -> Election:
    """Give the struggle for the mark in LXD, where a second daemon is refused, or for a Lease, where it waits.

    :raises Unavailable: ``data_dir``, which holds our name, cannot be written.
    """
    if settings.leadership.lease == "kubernetes" and cluster is not None:
        return _in_kubernetes(reactor, settings, cluster)
    lease = OwnerLease(client, settings.lxd.project, settings.webspaces.instance_prefix)
    name, now = installation_name(settings.data_dir), time_with_sleep(reactor)
    return Election(Leadership(reactor, lease, name, OWNER_TIMES, queues=False, now=now))


def _in_kubernetes(reactor: Any, settings: Settings, cluster: Kubernetes) -> Election:
    # A container that is restarted in its pod need not wait for itself.
    pod = settings.leadership.pod or socket.gethostname()
    lease = KubeLease(cluster.client, cluster.namespace, settings.leadership.name, LEASE_TIMES.duration, time.time)
    label: ILeaderMark = PodLabel(cluster.client, cluster.namespace, pod)
    return Election(Leadership(reactor, lease, pod, LEASE_TIMES, now=time_with_sleep(reactor)), label)
