"""Settings of what monitoring reads."""

# ruff: noqa: RUF009 - attrs fields, declared by functions that ruff does not know

from __future__ import annotations

import attrs

from webspaced.settings.fields import setting
from webspaced.settings.kinds import FLAG, OPTIONAL_ADDRESS
from webspaced.settings.values import Address


@attrs.frozen(kw_only=True)
class Metrics:
    """Figures for Prometheus at `/metrics`, on a listener that has nothing else and asks for no token."""

    listen_address: Address | None = setting(
        OPTIONAL_ADDRESS,
        "Where `/metrics` is; `off` serves and measures nothing. Who reaches it sees how much is going on, and with"
        " `per_webspace` whose.",
        default=Address("127.0.0.1", 9094),
        computed="`127.0.0.1:9094`, or `off` where another listener or a range of ports has that port",
    )
    per_webspace: bool = setting(
        FLAG,
        "Tell some figures of each webspace, too: a handful of series for each, by its instance's name.",
        default=False,
        live=True,
    )
