"""Which IAM service the settings ask for."""

from __future__ import annotations

import time
from typing import Any

from webspaced.iam.agent import iamd_agent
from webspaced.iam.client import IamdClient
from webspaced.iam.iamd import IamdIdentity
from webspaced.iam.static import UsersFile
from webspaced.interfaces import IIdentity
from webspaced.settings import Settings


def identity_for(reactor: Any, settings: Settings) -> IIdentity:
    """Give whoever knows members and their tokens."""
    iam = settings.iam
    if iam.provider == "static":
        static: IIdentity = UsersFile(iam.users_file)
        return static
    client = IamdClient(iamd_agent(reactor, insecure=iam.allow_insecure), reactor, iam.url or "")
    iamd: IIdentity = IamdIdentity(client, reactor, iam.token, time.time)
    return iamd
