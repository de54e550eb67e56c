"""Every action of the audit log, by what causes it. Names stay as they are: what reads the log goes by them."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen


@frozen
class Action:
    """``endpoint``: the handler whose calls these are; ``params``: members of the body that are told, never a secret."""

    name: str
    meaning: str
    endpoint: str = ""
    params: tuple[str, ...] = ()


CALLS = (
    Action("webspace.create", "Create a webspace. The password is never told.", "create_webspace", ("image", "ssh")),
    Action("webspace.delete", "Delete a webspace.", "delete_webspace"),
    Action("webspace.boot", "Boot a webspace.", "boot"),
    Action("webspace.reboot", "Reboot a webspace.", "reboot"),
    Action("webspace.shut-down", "Shut a webspace down.", "shut_down"),
    Action("webspace.resync", "Bring routes and forwards of a webspace in order.", "resync"),
    Action("webspace.keep-awake", "Keep a webspace from sleeping for a while.", "keep_awake", ("seconds",)),
    Action("webspace.configure", "Change the Config of a webspace.", "change_config", ("*",)),
    Action("webspace.want", "Say what is wanted of a webspace, such as that it is suspended.", "set_desired",
           ("desired", "reason", "publicReason")),
    Action("domain.add", "Add a domain.", "add_domain"),
    Action("domain.remove", "Remove a domain.", "remove_domain"),
    Action("certificate.put", "Bring a certificate for a domain. Neither it nor its key is told.", "put_certificate"),
    Action("certificate.remove", "Take a certificate back.", "remove_certificate"),
    Action("port.add-any", "Forward an external port that webspaced chooses.", "add_random_port",
           ("proxyProtocol", "ready", "wakeOn")),
    Action("port.add", "Forward an external port.", "add_port", ("proxyProtocol", "ready", "wakeOn")),
    Action("port.change", "Change how an external port is forwarded.", "change_port",
           ("proxyProtocol", "ready", "wakeOn")),
    Action("port.remove", "Forward an external port no longer.", "remove_port"),
    Action("console.clear-log", "Empty the console's log.", "clear_log"),
    Action("command.run", "Run a command to its end. Neither it nor what it says is told.", "run_command"),
    Action("ticket.issue", "Get a ticket for a terminal or a console. It is not told.", "issue_ticket", ("path",)),
    Action("terminal.refuse", "Somebody asked for a terminal and did not get one.", "open_terminal"),
    Action("console.refuse", "Somebody asked for the console and did not get it.", "open_console"),
    Action("webspace.ensure-started", "A Traefik of the former daemon has a webspace woken.", "ensure_started"),
)  # fmt: skip
"""Of the API."""
ORDERS = (
    Action("order.sync", "Bring everything in order.", "sync"),
    Action("order.reload", "Read the settings again.", "reload"),
    Action("order.want", "Suspend a webspace, or end that.", "desired", ("desired", "reason", "publicReason")),
    Action("order.evict", "Put a webspace to sleep.", "evict"),
    Action("order.restore", "Write documents back to LXD.", "restore"),
)
"""Of operators, at the control socket."""
SESSIONS = (
    Action("terminal.open", "A terminal (`what`: `exec`) or the console (`console`) is open."),
    Action("terminal.end", "It ended; `seconds` after it was opened."),
)
EFFECTS = (
    Action("instance.create", "LXD creates an instance."),
    Action("instance.start", "LXD starts it: a wake, or the end of a reboot."),
    Action("instance.stop", "LXD stops it; `force`: without asking it."),
    Action("instance.freeze", "LXD freezes it: it dozes."),
    Action("instance.thaw", "LXD thaws it: a wake from a doze, or before a stop."),
    Action("instance.delete", "LXD deletes it."),
    Action("instance.configure", "webspaced's document, or another of its keys, is changed; `keys` names them."),
    Action("instance.give-devices", "It is given a NIC of its own; `devices` names what."),
)
"""What LXD is asked for, whoever caused it."""
GROUPS: Mapping[str, tuple[Action, ...]] = {
    "Calls of the API": CALLS,
    "Orders at the control socket": ORDERS,
    "Terminals and consoles": SESSIONS,
    "What LXD is asked for": EFFECTS,
}
ACTIONS: Mapping[str, Action] = {action.name: action for group in GROUPS.values() for action in group}
CAUSES: Mapping[str, str] = {
    "call": "A call of the API.",
    "order": "An operator's order at the control socket.",
    "visit": "A visitor of a boot port or a forward.",
    "activity": "Somebody typed at a terminal, or bytes came for a webspace that dozes.",
    "schedule": "The webspace's schedule, or its wish to be awake.",
    "idle": "Nobody used the webspace.",
    "room": "Others needed its room, or memory was short.",
    "unwanted": "It is switched off or suspended, or has had no member for too long.",
    "upkeep": "webspaced keeps its own affairs in order.",
}
MEMBERS: Mapping[str, str] = {
    "time": "When it ended, by RFC 3339, in UTC, with microseconds.",
    "action": "What, from the tables below.",
    "cause": "Why: see the causes.",
    "who": "`kind` is `member`, `admin`, `nobody` (without a valid token), `operator`, `visitor` or `webspaced`; `id` and"
    " `user` of members and admins; `user`, `uid` and `pid` of operators.",
    "from": "`address` of a client or visitor; `socket` of an operator; `port`: the webspace's own port that was visited.",
    "webspace": "The id of the webspace's user.",
    "owner": "The webspace's user, where known: on whose behalf.",
    "target": "What of the webspace: `domain`, `port`, `external`, `internal`, `instance`, `what`.",
    "params": "What was asked for, without secrets.",
    "outcome": "`ok`, `refused` (it was not allowed, or made no sense), `failed` or `cancelled`.",
    "status": "The status of HTTP.",
    "reason": "Why it is not `ok`.",
    "seconds": "How long it took.",
    "request_id": "As in the log; `visit_id` and `boot_id` as well.",
}
