"""The number of files and sockets that this process may have open."""

from __future__ import annotations

import resource

UNLIMITED = 1 << 20
"""What stands for no limit: more than one process ever has."""


def raise_descriptor_limit() -> int:
    """Raise the soft limit to the hard one and give it: a visitor takes two descriptors, a listener one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return UNLIMITED if hard == resource.RLIM_INFINITY else hard
