"""How far a creation is: as JSON, or as server-sent events until it has ended.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import json
from typing import Any

from twisted.web.iweb import IRequest

from webspaced.http.problems import problem_of
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


async def stream(request: IRequest, creation: Creation) -> bytes:
    """Send every change, and at last ``done`` or ``failed``. Ends with the creation, or when the client goes away."""
    request.setHeader(b"content-type", EVENTS.encode())
    request.setHeader(b"cache-control", b"no-store")
    # nginx would keep the events until it has a page full of them.
    request.setHeader(b"x-accel-buffering", b"no")
    request.write(_event(creation))
    while not creation.over:
        changed = await creation.changed(KEEP_ALIVE)
        request.write(_event(creation) if changed else b": still at it\n\n")
    return b""
