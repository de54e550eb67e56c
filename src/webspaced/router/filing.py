"""dnsmasq's files as the plan says: only what differs is written, and nothing is read twice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from webspaced.lib.files import make_private_directory, replace_file
from webspaced.router.dnsmasq import Folders, Names, Offer, file_name, files, read_addresses
from webspaced.router.plan import Reservation


class Filing:
    """Keeps them. What cannot be written is an ``OSError``, and is written the next time."""

    def __init__(self, folders: Folders, names: Names, offer: Offer) -> None:
        self._folders, self._names, self._offer = folders, names, offer
        self._filed: dict[str, Reservation] = {}
        self._stale: set[str] = set()
        """Names of files about hardware addresses that are nobody's, or are not known to be somebody's yet."""

    def earlier(self) -> tuple[Reservation, ...]:
        """Give what an earlier run has left: hardware addresses and their addresses, without instances."""
        make_private_directory(self._folders.addresses)
        make_private_directory(self._folders.names)
        found = [path for path in self._folders.addresses.iterdir() if not path.name.startswith(".")]
        self._stale = {path.name for path in found}
        texts = (path.read_text(encoding="utf-8", errors="replace") for path in found)
        return tuple(each for text in texts if (each := read_addresses(text)) is not None)

    def keep(self, reservations: Sequence[Reservation]) -> None:
        """Have the files say these, and that all others are not answered."""
        now = {each.mac: each for each in reservations}
        changed = [each for mac, each in now.items() if self._filed.get(mac) != each]
        gone = [mac for mac in self._filed if mac not in now]
        self._stale |= {file_name(mac) for mac in gone}
        self._stale -= {file_name(each.mac) for each in changed}
        for path, text in files(changed, self._names, self._offer, self._folders, self._stale).items():
            _write(path, text)
        self._filed = now

    def remove_stale(self) -> None:
        """Remove the files that only say that somebody is not answered: who starts anew knows nothing of them."""
        for name in self._stale:
            (self._folders.addresses / name).unlink(missing_ok=True)
        self._stale = set()


def _write(path: Path, text: str) -> None:
    if not text:
        path.unlink(missing_ok=True)
    elif not path.exists() or path.read_text(encoding="utf-8", errors="replace") != text:
        replace_file(path, text.encode())
