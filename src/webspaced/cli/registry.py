"""The commands there are: add one here."""

from __future__ import annotations

from webspaced.cli.adopt import ADOPT
from webspaced.cli.check import CHECK
from webspaced.cli.command import Command
from webspaced.cli.documents import EXPORT, IMPORT
from webspaced.cli.make_cert import MAKE_CERT
from webspaced.cli.running import COMPLETION, RUN, VERSION
from webspaced.cli.status import RELOAD, ROUTES, STATUS, SYNC
from webspaced.cli.user import USER
from webspaced.cli.webspaces import EVICT, LIST, RESUME, SUSPEND

COMMANDS: tuple[Command, ...] = (
    RUN, CHECK, STATUS, LIST, ROUTES, SYNC, RELOAD, SUSPEND, RESUME, EVICT, EXPORT, IMPORT, USER, MAKE_CERT, ADOPT,
    VERSION, COMPLETION,
)  # fmt: skip
