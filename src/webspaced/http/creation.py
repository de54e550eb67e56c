"""How far a creation is: as JSON, or as server-sent events until it has ended.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
from typing import Any

from twisted.web.iweb import IRequest

from webspaced.http.problems import problem_of
from webspaced.http.rights import Ended, Watch
from webspaced.webspaces.progress import Creation

EVENTS = "text/event-stream"
KEEP_ALIVE = 15.0
"""Seconds of silence after which a comment is sent: proxies close what says nothing for 30 to 60."""


def wants_events(request: IRequest) -> bool:
    """Whether the client takes server-sent events."""
    accepted = b",".join(request.requestHeaders.getRawHeaders(b"accept") or []).decode("latin-1").lower()
    return any(each.partition(";")[0].strip() == EVENTS for each in accepted.split(","))


def view(creation: Creation) -> dict[str, Any]:
    """Give the document: ``percent`` is of the step, ``message`` is why it failed, ``seconds`` since the beginning."""
    failed = creation.error is not None
    return {
        "state": "failed" if failed else "done" if creation.over else "creating",
        "step": creation.progress.step.value,
        "percent": creation.progress.percent,
        "steps": [step.value for step in creation.steps],
        "seconds": round(creation.seconds, 1),
        "message": problem_of(creation.error).message if failed else None,
    }


def _event(creation: Creation) -> bytes:
    document = view(creation)
    name = "progress" if document["state"] == "creating" else document["state"]
    return f"event: {name}\ndata: {json.dumps(document)}\n\n".encode()


async def stream(request: IRequest, creation: Creation, ended: Ended) -> bytes:
    """Send every change, and at last ``done`` or ``failed``.

    Ends with the creation, when the client goes away, or, with a comment that says why, when its right has ended.
    """
    request.setHeader(b"content-type", EVENTS.encode())
    request.setHeader(b"cache-control", b"no-store")
    # nginx would keep the events until it has a page full of them.
    request.setHeader(b"x-accel-buffering", b"no")
    request.write(_event(creation))
    reasons: list[str] = []

    def revoked(reason: str) -> None:
        reasons.append(reason)
        creation.wake()

    watch = Watch(creation.clock, ended, revoked)
    try:
        while not creation.over and not reasons:
            changed = await creation.changed(KEEP_ALIVE)
            if not reasons:
                request.write(_event(creation) if changed else b": still at it\n\n")
    finally:
        watch.stop()
    return f": {reasons[0]}\n\n".encode() if reasons else b""
