"""What an operator forbids LXD to do with an instance, as far as webspaced does it.

Source: https://documentation.ubuntu.com/lxd/en/latest/reference/instance_options/ (security.protection.*)
"""

from __future__ import annotations

from collections.abc import Mapping

DELETE, SHIFT, START = "delete", "shift", "start"
_PREFIX = "security.protection."
_TRUE = frozenset({"true", "1", "yes", "on"})
"""As LXD reads a flag."""
_NEXT, _LAST = "volatile.idmap.next", "volatile.last_state.idmap"


def protections(expanded: Mapping[str, str]) -> frozenset[str]:
    """Give what an instance is protected from, by its configuration and its profiles'."""
    return frozenset(name for name in (DELETE, SHIFT, START) if expanded.get(f"{_PREFIX}{name}", "").lower() in _TRUE)


def forbids_deletion(protected: frozenset[str]) -> str:
    """Give why LXD would not delete an instance; empty if it would."""
    return f"LXD protects it from being deleted ({_PREFIX}{DELETE})" if DELETE in protected else ""


def forbids_start(protected: frozenset[str], config: Mapping[str, str]) -> str:
    """Give why LXD would not start an instance; empty if it would.

    :param config: with LXD's own keys: files are shifted when their users are other ones than at the last start.
    """
    if START in protected:
        return f"LXD protects it from being started ({_PREFIX}{START})"
    # An empty list: the kernel maps, and nothing is ever shifted.
    shifts = config.get(_LAST, "[]") != "[]" and config.get(_NEXT) != config.get(_LAST)
    if SHIFT in protected and shifts:
        return f"LXD would have to shift its files to start it, and protects them from that ({_PREFIX}{SHIFT})"
    return ""
