"""Operators' calls at the API, for admins: what the socket gives, from another machine."""

from __future__ import annotations

from klein import Klein
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource

from webspaced.control.api import Control
from webspaced.control.operator import IOperator, Operator
from webspaced.errors import Forbidden
from webspaced.http.about import about_of
from webspaced.http.auth import Auth
from webspaced.http.problems import answer


class RemoteControl:
    """``/operator/…`` with an admin's token."""

    app = Klein()

    def __init__(self, control: Control, auth: Auth) -> None:
        self._calls: IResource = control.app.resource()
        self._auth = auth

    @app.handle_errors(Exception)
    def on_error(self, request: IRequest, failure: Failure) -> bytes:
        """Answer every error."""
        return answer(request, failure)

    @app.route("/operator/reload", methods=["POST"])
    async def reload(self, request: IRequest) -> bytes:
        """Refuse: settings are each daemon's own, and a load balancer leads to any of them."""
        await self._admin(request)
        message = "settings are read again where webspaced runs: `webspaced reload` there"
        raise Forbidden(message)

    @app.route("/operator/", branch=True)
    async def calls(self, request: IRequest) -> IResource:
        """Give all others."""
        operator = await self._admin(request)
        request.setComponent(IOperator, operator)  # type: ignore[attr-defined]
        return self._calls

    async def _admin(self, request: IRequest) -> Operator:
        user = (await self._auth.admin(request)).user
        about = about_of(request)
        address = None if about is None else about.address
        who = {"kind": "admin", "id": user.id, "user": user.username}
        return Operator(f"admin {user.username}", who, {} if address is None else {"address": str(address)})
