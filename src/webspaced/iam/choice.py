"""Which IAM service the settings ask for."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from webspaced.iam.agent import iamd_agent
from webspaced.iam.client import IamdClient
from webspaced.iam.iamd import IamdIdentity, check_own_token
from webspaced.iam.static import UsersFile
from webspaced.interfaces import IIdentity
from webspaced.reload.live import Live, Put
from webspaced.settings import Settings


def identity_for(reactor: Any, live: Live) -> IIdentity:
    """Give whoever knows members and their tokens."""
    iam = live.settings.iam
    if iam.provider == "static":
        static: IIdentity = UsersFile(iam.users_file)
        return static
    client = IamdClient(iamd_agent(reactor, insecure=iam.allow_insecure), reactor, iam.url or "")
    identity = IamdIdentity(client, reactor, iam.token, time.time)
    live.check(partial(_renewed_token, identity))
    iamd: IIdentity = identity
    return iamd


def _renewed_token(identity: IamdIdentity, settings: Settings) -> Put:
    check_own_token(settings.iam.token)
    return partial(setattr, identity, "own_token", settings.iam.token)
