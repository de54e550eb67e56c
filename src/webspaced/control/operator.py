"""Which operator asks: a user of this machine at the socket, or an admin at the API."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from attrs import frozen
from twisted.web.iweb import IRequest
from zope.interface import Interface, implementer

from webspaced.control.socket import NAME, connected_peer
from webspaced.errors import Forbidden


class IOperator(Interface):
    """The key under which a request of the API has its :class:`Operator`."""


@implementer(IOperator)
@frozen
class Operator:
    """``name`` is for the log, ``who`` and ``origin`` are for the audit log."""

    name: str
    who: Mapping[str, Any]
    origin: Mapping[str, Any]


def asking(request: IRequest) -> Operator:
    """Give who asks, whoever that is."""
    find = getattr(request, "getComponent", None)
    known = None if find is None else find(IOperator)
    if isinstance(known, Operator):
        return known
    peer = connected_peer(request)
    who = {"kind": "operator", "user": peer.user, "uid": peer.uid, "pid": peer.pid}
    return Operator(peer.user, who, {"socket": NAME})


def operator_of(request: IRequest) -> str:
    """Give the name of the operator who asks.

    :raises Forbidden: it is another user of this machine than root and the daemon's own.
    """
    operator = asking(request)
    if "socket" in operator.origin and operator.who["uid"] not in (0, os.geteuid()):
        message = "only root and webspaced's own user may ask that"
        raise Forbidden(message)
    return operator.name
