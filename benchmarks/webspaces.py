"""Webspaces as LXD remembers them, made without webspaced."""

from __future__ import annotations

from collections.abc import Mapping

from webspaced.core.webspace import BOOT_PORT_KEY, KEY, USERNAME_KEY, Config, Webspace

FIRST_BOOT_PORT = 20000


def config_of(uid: int) -> Mapping[str, str]:
    """Give the configuration keys of a webspace that nothing needs to be added to."""
    webspace = Webspace(user=uid, config=Config(startup_delay=3.0, http_port=80, sni_passthrough=False))
    return {
        KEY: webspace.dump(),
        USERNAME_KEY: f"m{uid}",
        BOOT_PORT_KEY: str(FIRST_BOOT_PORT + uid - 1),
    }
