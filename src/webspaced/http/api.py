"""The public API: every path of the contract. The rules are the webspaces', the errors `problems`'."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Coroutine, Mapping
from contextvars import copy_context
from functools import partial
from typing import Any

from attrs import frozen
from klein import Klein
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest

from webspaced.core.config import parse_port
from webspaced.core.forward import Forward, parse_changes
from webspaced.errors import Invalid
from webspaced.http import creation, messages, pieces, views
from webspaced.http.audited import shield
from webspaced.http.auth import Auth
from webspaced.http.bodies import (
    LARGEST_CERTIFICATE,
    LARGEST_COMMAND,
    check_known,
    flag_member,
    optional_text,
    read_object,
    read_optional_object,
    seconds_member,
    text_member,
)
from webspaced.http.commands import Commands
from webspaced.http.desired import desired_of
from webspaced.http.problems import answer, whole
from webspaced.http.terminals import Offer, Terminals
from webspaced.http.tickets import ticket_path
from webspaced.http.upgrade import Upgrade
from webspaced.webspaces.conditions import Conditions
from webspaced.webspaces.domains import Domains
from webspaced.webspaces.insides import Insides
from webspaced.webspaces.service import WebspaceService
from webspaced.webspaces.sleeper import Sleeper
from webspaced.webspaces.uploads import Uploads

WEBSPACE = "/v1/webspace/<who>"
PORTS = f"{WEBSPACE}/ports"
DOMAINS = f"{WEBSPACE}/domains"
DOMAINS_CERTIFICATE = f"{DOMAINS}/<domain>/certificate"
LOG, EXEC, CONSOLE = f"{WEBSPACE}/log", f"{WEBSPACE}/exec", f"{WEBSPACE}/console"


@frozen(kw_only=True)
class Backing:
    """What the API stands on.

    ``commands``: how many may run, in all and in one webspace; ``resync`` brings one webspace in order; ``now`` gives
    seconds since the epoch.
    """

    service: WebspaceService
    domains: Domains
    uploads: Uploads
    insides: Insides
    terminals: Terminals
    commands: tuple[int, int]
    auth: Auth
    sleeper: Sleeper
    resync: Callable[[int], Coroutine[Any, Any, None]]
    conditions: Conditions
    now: Callable[[], float] = time.time


def _json(request: IRequest, status: int, document: Any) -> bytes:
    return whole(request, status, b"application/json", json.dumps(document).encode())


def _nothing(request: IRequest, status: int = 204) -> bytes:
    request.setResponseCode(status)
    if status != 204:  # noqa: PLR2004  (RFC 9110, section 8.6: a 204 must not have one)
        request.setHeader(b"content-length", b"0")
    return b""


class Api:
    """The handlers. Changes are shielded: a client that goes away does not leave its change half done; commands end."""

    app = Klein()

    def __init__(self, backing: Backing) -> None:
        self._service = backing.service
        self._domains = backing.domains
        self._uploads = backing.uploads
        self._insides = backing.insides
        self._terminals = backing.terminals
        self._commands = Commands(backing.insides, *backing.commands)
        self.terminals_refused, self.commands_refused = self._terminals.hits, self._commands.hits
        self._auth = backing.auth
        self._sleeper = backing.sleeper
        self._resync = backing.resync
        self._now = backing.now
        self._conditions = backing.conditions

    def bound(self, commands: int, terminals: int) -> None:
        """Let one webspace have so many at once from now on."""
        self._commands.bound(commands)
        self._terminals.bound(terminals)

    def close(self) -> Deferred[Any]:
        """Say goodbye to whoever sits at a terminal; fires when that is done."""
        return self._terminals.close()

    @app.handle_errors(Exception)
    def on_error(self, request: IRequest, failure: Failure) -> bytes:
        """Answer every error."""
        return answer(request, failure)

    async def _for(self, request: IRequest, who: str, work: Callable[[int], Coroutine[Any, Any, Any]]) -> Any:
        user = await self._auth.subject(request, who)
        return await shield(work(user.id))

    @app.route("/v1/images", methods=["GET"])
    async def images(self, request: IRequest) -> bytes:
        """List the images; no token needed."""
        return _json(request, 200, [views.image(image) for image in await self._service.images()])

    @app.route(WEBSPACE, methods=["GET"])
    async def read_webspace(self, request: IRequest, who: str) -> bytes:
        """Give a webspace."""
        webspace = await self._for(request, who, self._service.read)
        return _json(request, 200, views.webspace(webspace, self._conditions.of(webspace.user)))

    @app.route(WEBSPACE, methods=["POST"])
    async def create_webspace(self, request: IRequest, who: str) -> bytes:
        """Create a webspace from an image."""
        user = await self._auth.subject(request, who)
        body = read_object(request)
        check_known(body, ("image", "password", "ssh"))
        image, password = text_member(body, "image"), optional_text(body, "password")
        webspace = await shield(self._service.create(user, image, password, ssh=flag_member(body, "ssh")))
        return _json(request, 201, webspace.to_json())

    @app.route(f"{WEBSPACE}/creation", methods=["GET"])
    async def read_creation(self, request: IRequest, who: str) -> bytes:
        """Tell how far the creation of a webspace is, once or until it has ended."""
        grant = await self._auth.grant(request, who)
        under_way = self._service.creator.creations.get(grant.subject.id)
        if creation.wants_events(request):
            return await creation.stream(request, under_way, partial(self._auth.ended, grant))
        return _json(request, 200, creation.view(under_way))

    @app.route(WEBSPACE, methods=["DELETE"])
    async def delete_webspace(self, request: IRequest, who: str) -> bytes:
        """Delete a webspace."""
        grant = await self._auth.grant(request, who)
        await shield(self._service.delete(grant.subject.id, by_admin=grant.caller.user.is_admin))
        return _nothing(request)

    @app.route(f"{WEBSPACE}/state", methods=["GET"])
    async def read_state(self, request: IRequest, who: str) -> bytes:
        """Give the run state."""
        observed, state = await self._for(request, who, self._service.state)
        return _json(request, 200, views.state(observed, state, self._sleeper.rest(observed), self._now()))

    @app.route(f"{WEBSPACE}/state", methods=["POST"])
    async def boot(self, request: IRequest, who: str) -> bytes:
        """Boot."""
        await self._for(request, who, self._service.power.boot)
        return _nothing(request)

    @app.route(f"{WEBSPACE}/state", methods=["PUT"])
    async def reboot(self, request: IRequest, who: str) -> bytes:
        """Reboot."""
        await self._for(request, who, self._service.power.reboot)
        return _nothing(request)

    @app.route(f"{WEBSPACE}/state", methods=["PATCH"])
    async def resync(self, request: IRequest, who: str) -> bytes:
        """Bring routes and forwards in order."""

        async def work(uid: int) -> None:
            await self._service.read(uid)
            await self._resync(uid)

        await self._for(request, who, work)
        return _nothing(request)

    @app.route(f"{WEBSPACE}/state", methods=["DELETE"])
    async def shut_down(self, request: IRequest, who: str) -> bytes:
        """Shut down."""
        await self._for(request, who, self._service.power.shut_down)
        return _nothing(request)

    @app.route(f"{WEBSPACE}/awake", methods=["POST"])
    async def keep_awake(self, request: IRequest, who: str) -> bytes:
        """Keep a webspace from sleeping for a while."""
        user = await self._auth.subject(request, who)
        until = await shield(self._sleeper.keep_awake(user.id, seconds_member(read_object(request))))
        return _json(request, 200, {"until": views.rfc3339(until) if until else None})

    @app.route(f"{WEBSPACE}/config", methods=["GET"])
    async def read_config(self, request: IRequest, who: str) -> bytes:
        """Give the Config."""
        webspace = await self._for(request, who, self._service.read)
        return _json(request, 200, webspace.config.to_json())

    @app.route(f"{WEBSPACE}/config", methods=["PATCH"])
    async def change_config(self, request: IRequest, who: str) -> bytes:
        """Change some of the Config; the answer is the old one."""
        user = await self._auth.subject(request, who)
        old = await shield(self._service.set_config(user.id, read_object(request)))
        return _json(request, 200, old.to_json())

    @app.route(f"{WEBSPACE}/desired", methods=["GET"])
    async def read_desired(self, request: IRequest, who: str) -> bytes:
        """Give what is wanted of a webspace, with a suspension's reasons."""
        webspace = await self._for(request, who, self._service.read)
        return _json(request, 200, webspace.desired.to_json())

    @app.route(f"{WEBSPACE}/desired", methods=["PUT"])
    async def set_desired(self, request: IRequest, who: str) -> bytes:
        """Say what is wanted of a webspace; only an admin suspends one, and ends that."""
        grant = await self._auth.grant(request, who)
        desired = desired_of(read_object(request), grant.caller)
        await shield(self._service.power.want(grant.subject.id, desired, by_admin=grant.caller.user.is_admin))
        return _json(request, 200, desired.to_json())

    @app.route(DOMAINS, methods=["GET"])
    async def read_domains(self, request: IRequest, who: str) -> bytes:
        """Give every name of the webspace, the default domain first."""
        return _json(request, 200, await self._for(request, who, self._domains.names))

    @app.route(f"{DOMAINS}/<domain>", methods=["POST"])
    async def add_domain(self, request: IRequest, who: str, domain: str) -> bytes:
        """Add a domain whose DNS names the webspace."""
        user = await self._auth.subject(request, who)
        await shield(self._domains.add(user.id, domain))
        return _nothing(request, 201)

    @app.route(f"{DOMAINS}/<domain>", methods=["DELETE"])
    async def remove_domain(self, request: IRequest, who: str, domain: str) -> bytes:
        """Remove a domain."""
        user = await self._auth.subject(request, who)
        await shield(self._domains.remove(user.id, domain))
        return _nothing(request)

    @app.route(DOMAINS_CERTIFICATE, methods=["GET"])
    async def read_certificate(self, request: IRequest, who: str, domain: str) -> bytes:
        """Tell of the certificate that was brought for a domain, never its key."""
        user = await self._auth.subject(request, who)
        return _json(request, 200, views.certificate(await shield(self._uploads.read(user.id, domain))))

    @app.route(DOMAINS_CERTIFICATE, methods=["PUT"])
    async def put_certificate(self, request: IRequest, who: str, domain: str) -> bytes:
        """Serve a domain with a certificate of its member's own."""
        user = await self._auth.subject(request, who)
        body = read_object(request, LARGEST_CERTIFICATE)
        check_known(body, ("certificate", "key"))
        chain, key = text_member(body, "certificate"), text_member(body, "key")
        certificate, is_new = await shield(self._uploads.put(user.id, domain, chain, key))
        return _json(request, 201 if is_new else 200, views.certificate(certificate))

    @app.route(DOMAINS_CERTIFICATE, methods=["DELETE"])
    async def remove_certificate(self, request: IRequest, who: str, domain: str) -> bytes:
        """Serve a domain with an automatic certificate again."""
        user = await self._auth.subject(request, who)
        await shield(self._uploads.remove(user.id, domain))
        return _nothing(request)

    @app.route(PORTS, methods=["GET"])
    async def read_ports(self, request: IRequest, who: str) -> bytes:
        """Give the forwards."""
        webspace = await self._for(request, who, self._service.read)
        return _json(request, 200, webspace.to_json()["ports"])

    @app.route(f"{PORTS}/<port>", methods=["POST"])
    async def add_random_port(self, request: IRequest, who: str, port: str) -> bytes:
        """Forward a random external port to an internal one."""
        user = await self._auth.subject(request, who)
        forward = Forward(parse_port(port), **parse_changes(read_optional_object(request)))
        external = await shield(self._service.add_random_port(user.id, forward))
        return _json(request, 201, {"ePort": external})

    @app.route(f"{PORTS}/<external>/<internal>", methods=["POST"])
    async def add_port(self, request: IRequest, who: str, external: str, internal: str) -> bytes:
        """Forward an external port to an internal one."""
        user = await self._auth.subject(request, who)
        forward = Forward(parse_port(internal), **parse_changes(read_optional_object(request)))
        await shield(self._service.add_port(user.id, parse_port(external), forward))
        return _nothing(request, 201)

    @app.route(f"{PORTS}/<port>", methods=["PATCH"])
    async def change_port(self, request: IRequest, who: str, port: str) -> bytes:
        """Change how an external port is forwarded."""
        user = await self._auth.subject(request, who)
        changes = parse_changes(read_object(request))
        if not changes:
            message = "proxyProtocol, ready or wakeOn is missing"
            raise Invalid(message)
        await shield(self._service.change_port(user.id, parse_port(port), changes))
        return _nothing(request)

    @app.route(f"{PORTS}/<port>", methods=["DELETE"])
    async def remove_port(self, request: IRequest, who: str, port: str) -> bytes:
        """Stop forwarding an external port."""
        user = await self._auth.subject(request, who)
        await shield(self._service.remove_port(user.id, parse_port(port)))
        return _nothing(request)

    @app.route(LOG, methods=["GET"])
    async def read_log(self, request: IRequest, who: str) -> bytes:
        """Give the console's log."""
        log = await self._for(request, who, self._insides.console_log)
        return whole(request, 200, b"text/plain; charset=utf-8", log.decode(errors="replace").encode())

    @app.route(LOG, methods=["DELETE"])
    async def clear_log(self, request: IRequest, who: str) -> bytes:
        """Empty the console's log."""
        await self._for(request, who, self._insides.clear_console_log)
        return _nothing(request)

    @app.route(EXEC, methods=["POST"])
    async def run_command(self, request: IRequest, who: str) -> bytes:
        """Run a command to its end."""
        user = await self._auth.subject(request, who)
        command = messages.plain_command(read_object(request, LARGEST_COMMAND))
        said = await pieces.completed(self._terminals.clock, await self._commands.run(user.id, command))
        return whole(request, 200, b"application/json", said)

    @app.route(EXEC, methods=["GET"])
    async def open_terminal(self, request: IRequest, who: str) -> Upgrade:
        """Run a command in a terminal, over a WebSocket."""

        async def opens(uid: int, first: Mapping[str, Any], screen: IConsumer) -> Any:
            command, size = messages.exec_message(first)
            return await self._insides.attach(uid, command, size, screen)

        return await self._terminal(request, who, "exec", opens, messages.exec_order)

    @app.route(CONSOLE, methods=["GET"])
    async def open_console(self, request: IRequest, who: str) -> Upgrade:
        """Show the console, over a WebSocket."""

        async def opens(uid: int, first: Mapping[str, Any], screen: IConsumer) -> Any:
            return await self._insides.console(uid, messages.console_message(first), screen)

        return await self._terminal(request, who, "console", opens, messages.console_order)

    async def _terminal(
        self,
        request: IRequest,
        who: str,
        path: str,
        opens: Callable[[int, Mapping[str, Any], IConsumer], Coroutine[Any, Any, Any]],
        order: Callable[[str], messages.Order],
    ) -> Upgrade:
        grant = await self._auth.grant_of_upgrade(request, who, path)
        uid = grant.subject.id
        # What can be told by a status is told by a status: a browser sees nothing of a WebSocket's reasons before it opens.
        await self._insides.exists(uid)
        self._terminals.check_room(uid)
        # What follows belongs to this request, in the log, too.
        context = copy_context()
        ended = partial(self._auth.ended, grant)
        offer = Offer(uid=uid, what=path, opens=partial(opens, uid), read_order=order, ended=ended)
        return Upgrade(lambda connection: context.run(self._terminals.accept, connection, offer))

    @app.route(f"{WEBSPACE}/ticket", methods=["POST"])
    async def issue_ticket(self, request: IRequest, who: str) -> bytes:
        """Give a ticket with which a browser opens a WebSocket."""
        grant = await self._auth.grant(request, who)
        body = read_object(request)
        check_known(body, ("path",))
        return _json(request, 201, self._auth.ticket(request, grant, ticket_path(body)))


def _without_head(app: Klein, *endpoints: str) -> None:
    """Take HEAD from what the router gives it to by itself."""
    for rule in app.url_map.iter_rules():
        if rule.endpoint in endpoints and rule.methods is not None:
            rule.methods.discard("HEAD")


# LXD gives each part of a log once, and a WebSocket is nothing without what follows.
_without_head(Api.app, "read_log", "open_terminal", "open_console")
