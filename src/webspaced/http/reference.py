"""Two pages: every call of the API, and every error with its remedy.

``python -m webspaced.http.reference api > docs/reference/api.md``, and the same with ``errors``.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from importlib.resources import files
from itertools import pairwise
from typing import Any

import yaml

from webspaced import errors
from webspaced.http.problems import STATUSES, BodyTooLarge, TooManyRequests
from webspaced.webspaces.conditions import Kind

METHODS = ("get", "post", "put", "patch", "delete")
EVERYWHERE = ("405", "408", "413")
"""What every call may be answered; the page says it once."""

API_HEAD = """# API

<!-- Printed by `python -m webspaced.http.reference api`; change static/api.yaml. -->

Every call, out of the OpenAPI document `static/api.yaml`. A running webspaced serves that at `/static/api.yaml`, and
at `/swagger` a page to read it and try it. How to begin: [Start with the API](../how-to/use-the-api.md).

Rights: *member* is the webspace's own member, by a token and `self`, and any admin, by a username or `id:<number>`.
Beside what stands here every call may be answered 405 (no such method), 408 (the request took too long to arrive) and
413 (its body is too large). What each status means: [Errors](errors.md)."""
ERRORS_HEAD = """# Errors

<!-- Printed by `python -m webspaced.http.reference errors`; change the code. -->

Errors of the API are JSON (`application/problem+json`, RFC 9457):

```json
{"message": "the webspace does not exist", "title": "Not Found", "status": 404,
 "detail": "the webspace does not exist", "requestId": "7fea0b5edfc8f70f"}
```

`message` is for people. By `requestId` the operator finds the request in the log; it is also in the header
`X-Request-ID`, and you may choose it by that header. `Retry-After` says after how many seconds another try makes
sense. Clients that OpenAPI Generator made for Go get 500 in place of 502, 503 and 504.

## Statuses
"""
CONDITIONS_HEAD = """
## Conditions of a webspace

`GET /v1/webspace/{user}` has them under `conditions` where something is wrong, `webspaced list --troubled` lists
them, and the log says when one begins and ends."""

BUG_ROW = (
    "| 500 | webspaced has a bug. `/health` answers it, too, while LXD is away or routes cannot be written. "
    "| Give the operator the `requestId`; the log has the reason. |"
)

REMEDIES: Mapping[type[Exception], str] = {
    BodyTooLarge: "Send less: 4 KiB, with a command 256 KiB.",
    errors.Invalid: "Change the request; the message says what is wrong.",
    errors.Unauthenticated: "Send `Authorization: Bearer <token>`; as a member name yourself `self`.",
    errors.Forbidden: "Get a new token, or ask the operator.",
    errors.NotFound: "Look at the name. Without a webspace, create one. A reboot needs one that runs.",
    errors.Conflict: (
        "Read the present state, then decide: somebody else has it, it is there already, or something else "
        "is under way."
    ),
    TooManyRequests: "Wait for `Retry-After`. Operators: [limits](limits.md).",
    errors.Temporary: (
        "Wait for `Retry-After`. Operators: see the log, `webspaced status` and "
        "[failures](../explanation/failures.md)."
    ),
    errors.BootFailed: (
        "See what the webspace shows at its console (`GET …/log`), and whether its server starts at boot and "
        "listens on `httpPort`."
    ),
    errors.SetUpFailed: "Nothing is left. Try another image, or without `ssh` and `password`.",
    errors.DeadlineExceeded: "Try again. A command: let it do less, or in the background.",
    errors.OutputTooLarge: "Let the command write to a file.",
    errors.RemoteError: "LXD refused. Operators: the message is LXD's own, see its log.",
}
CONDITION_REMEDIES: Mapping[Kind, str] = {
    Kind.UNREADABLE: "`webspaced import` with an older export, or edit the instance's key `user._webspaced`.",
    Kind.MEMBER_AWAY: "Bring the cluster member back.",
    Kind.ADDRESS_CLASH: "Take the address away inside the webspace; leave addresses to DHCP.",
    Kind.OUT_OF_REACH: "Use a network that spans the members: [cluster](../how-to/lxd-cluster.md).",
    Kind.UNFINISHED: "Unset the instance's key `user._webspaced_creating` if it is finished, else delete it.",
    Kind.UNTOLD: "Look at the instance in LXD; it may be in the state Error.",
    Kind.PAUSED: "Thaw it (`lxc start`), if nothing keeps it frozen on purpose.",
    Kind.SUSPENDED: "`webspaced resume`: [suspend abuse](../how-to/suspend-abuse.md).",
    Kind.DEPARTED: "Bring the member back, or delete the webspace: [members](../how-to/members.md#members-who-leave).",
    Kind.BAD_FIELD: "Nothing: it is written right with the next change. Its detail names the field.",
    Kind.NO_ADDRESS: "Look at the network inside, and at `webspaces.networks`.",
    Kind.FORWARD_UNBOUND: "Stop the other program on that port, or keep it out of `ip_local_port_range`.",
    Kind.BOOT_PORT_UNBOUND: "Stop the other program on that port, or change `webspaces.boot_ports`.",
    Kind.PORT_CLASH: "Take another external port: [who has what](../explanation/who-has-what.md).",
    Kind.PORT_OUTSIDE: "Take a port inside `webspaces.ports`.",
    Kind.NAMELESS: "Wait for IAM, or see whether it knows the webspace's member.",
    Kind.NAME_RESERVED: "Rename the member, add a domain, or change `webspaces.reserved_names`.",
    Kind.ROUTE_UNWRITTEN: "See what the store of routes says in the log: disk full, no rights, out of reach.",
    Kind.UNROUTED: "See whether Traefik reads what webspaced writes: [Traefik](../how-to/own-traefik.md).",
    Kind.BAD_CERTIFICATE: "Bring another certificate, or delete it: [TLS](../how-to/tls.md).",
    Kind.CERTIFICATE_ENDS: "Bring the next certificate.",
    Kind.CERTIFICATE_DOUBLED: (
        "Operators: remove the automatic one from Traefik's storage, or restart the embedded Traefik: "
        "[TLS](../how-to/tls.md#what-operators-must-know-about-members-certificates)."
    ),
    Kind.HOST_CLASH: "Prove the domain again if it is yours: [domains](../how-to/custom-domains.md).",
    Kind.HOST_UNPROVED: "Set the domain's TXT record again: [domains](../how-to/custom-domains.md).",
}


def api() -> str:
    """Give the page of calls."""
    document = yaml.safe_load((files("webspaced") / "static" / "api.yaml").read_text(encoding="utf-8"))
    return "\n".join([API_HEAD, "", *_tables(document)]).rstrip() + "\n"


def rights(path: str, call: Mapping[str, Any]) -> str:
    """Say who may make a call of the document."""
    if call.get("security") == []:
        return "no token"
    return "admin" if path.startswith("/internal/") else "member"


def _tables(document: Mapping[str, Any]) -> Iterator[str]:
    for tag in document["tags"]:
        yield f"## {tag['name']}\n\n{tag['description']}\n"
        yield "| call | what it does | rights | answers |\n|---|---|---|---|"
        yield from _rows(document, tag["name"])
        yield ""


def _rows(document: Mapping[str, Any], tag: str) -> Iterator[str]:
    for path, item in document["paths"].items():
        for method in METHODS:
            call = item.get(method)
            if call is not None and tag in call["tags"]:
                answers = ", ".join(status for status in sorted(call["responses"]) if status not in EVERYWHERE)
                yield f"| `{method.upper()} {path}` | {call['summary']} | {rights(path, call)} | {answers} |"


def problems() -> str:
    """Give the page of errors and conditions."""
    kinds = _documented(Kind)
    rows = sorted([BUG_ROW, *(f"| {status} | {_first(kind)} | {REMEDIES[kind]} |" for kind, status in STATUSES)])
    conditions = [f"| `{kind.value}` | {kinds[kind.name]} | {CONDITION_REMEDIES[kind]} |" for kind in Kind]
    return "\n".join([
        ERRORS_HEAD, "| status | when | what to do |", "|---|---|---|", *rows,
        CONDITIONS_HEAD, "", "| condition | what it means | what to do |", "|---|---|---|", *conditions,
    ]) + "\n"  # fmt: skip


def _first(kind: type) -> str:
    return _line((inspect.getdoc(kind) or "").partition("\n\n")[0])


def _documented(kind: type) -> Mapping[str, str]:
    """Give the docstrings of an enumeration's members, which Python does not keep."""
    (body,) = (node.body for node in ast.parse(inspect.getsource(kind)).body if isinstance(node, ast.ClassDef))
    found = {}
    for name, text in pairwise(body):
        if isinstance(name, ast.Assign) and isinstance(text, ast.Expr):
            (target,) = name.targets
            found[ast.unparse(target)] = _line(ast.literal_eval(text.value))
    return found


def _line(text: str) -> str:
    return " ".join(text.replace("``", "`").split())


if __name__ == "__main__":
    sys.stdout.write({"api": api, "errors": problems}[sys.argv[1]]())
