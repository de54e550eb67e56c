"""The log of who had which address when: a file of JSON lines for each day, kept for some days.

Each file begins with all that holds then, so that a day can be read without the days before it. What clients can have
written as often as they like, that they ask and give back, is written when it changes, and so often for an address.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from webspaced.core.instance import IPAddress
from webspaced.lib import json_lines
from webspaced.lib.buckets import Buckets, Rate
from webspaced.lib.files import make_private_directory
from webspaced.router.plan import Plan, Reservation
from webspaced.router.records import Given, changes, leases

TURNS = Rate(1 / 60, 20)
"""How often an address may be given and given back, in lines a second and at once."""
MOST = 1 << 16
_NAME = re.compile(r"(\d{4}-\d\d-\d\d)\.jsonl")


class AddressLog:
    """Writes the log; without days it writes nothing."""

    log = Logger()

    def __init__(self, clock: IReactorTime, folder: Path, days: int, now: Callable[[], float]) -> None:
        """:param days: for which each file is kept. :param now: gives seconds since the epoch."""
        self._folder, self._days, self._now = folder, days, now
        self._day: date | None = None
        self._held: Sequence[Reservation] = ()
        self._last: dict[IPAddress, Given] = {}
        self._turns: Buckets[IPAddress] = Buckets(clock, TURNS, MOST)
        self.is_on = False
        """Whether this router serves: only that one knows what was given."""

    def begin(self, plan: Plan) -> None:
        """Say that this router serves from now on."""
        self.is_on, self._held, self._day = True, plan.reservations, None
        self._write([])

    def end(self) -> None:
        """Say that it serves no more."""
        if self.is_on:
            self._write([{"what": "ended"}])
        self.is_on = False

    def changed(self, before: Plan, after: Plan) -> None:
        """Say that one plan took the place of another."""
        self._held = after.reservations
        self._write(changes(before.reservations, after.reservations))

    def given(self, given: Given) -> None:
        """Say what dnsmasq gave, unless it is what was said last of this address."""
        if not self.is_on or self._last.get(given.address) == given or self._turns.take(given.address):
            return
        self._last[given.address] = given
        self._write([{"what": given.what, "address": str(given.address), "client": given.client}])

    def tick(self) -> None:
        """Begin a new file if it is another day."""
        self._write([])

    def _write(self, records: Iterable[Mapping[str, Any]]) -> None:
        if not self._days or not self.is_on:
            return
        now = self._now()
        today = datetime.fromtimestamp(now, UTC).date()
        try:
            make_private_directory(self._folder)
            first = self._opening(today)
            with (self._folder / f"{today}.jsonl").open("a", encoding="ascii") as file:
                file.writelines(json_lines.line({"time": json_lines.moment(now), **each}) for each in (*first, *records))
            self._day = today
        except OSError as error:
            self._last = {}
            self.log.error(  # noqa: TRY400  (Twisted's, and no mistake of ours)
                "the log of addresses cannot be written: {error}", event="router.log-failed", error=str(error)
            )

    def _opening(self, today: date) -> Iterator[Mapping[str, Any]]:
        if today == self._day:
            return iter(())
        self._last = {}
        for path in outdated([path.name for path in self._folder.iterdir()], today, self._days):
            (self._folder / path).unlink(missing_ok=True)
        return iter([{"what": "held", **each} for each in leases(self._held)])


def outdated(names: Iterable[str], today: date, days: int) -> list[str]:
    """Give those of the files that are older than may be kept; what is no file of the log stays."""
    first = today - timedelta(days=days)
    found = ((name, match[1]) for name in names if (match := _NAME.fullmatch(name)))
    return [name for name, day in found if date.fromisoformat(day) < first]


def search(folder: Path, address: IPAddress, day: date) -> Iterator[Mapping[str, Any]]:
    """Give what the log of a day says of an address, in order.

    :raises OSError: there is none of that day.
    """
    with (folder / f"{day}.jsonl").open(encoding="ascii") as file:
        for line in file:
            record = json.loads(line)
            if record.get("address") == str(address):
                yield record
