"""The automatic certificates that an embedded Traefik has got by ACME, and keeps in a file of its own."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from twisted.logger import Logger

from webspaced.core.json_text import parse as parse_json
from webspaced.lib.files import replace_file

log = Logger()


class AutomaticCertificates:
    """Which hosts have one, as of the last change of the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int] | None = None
        self._hosts: frozenset[str] = frozenset()

    def hosts(self) -> Collection[str]:
        """Give the names on all of them; what cannot be read has none."""
        try:
            status = self._path.stat()
            now = (status.st_mtime_ns, status.st_size)
            if now != self._seen:
                self._seen, self._hosts = now, _hosts_in(parse_json(self._path.read_bytes()))
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            # It is being written, or there is none.
            self._seen, self._hosts = None, frozenset()
        return self._hosts


def _hosts_in(document: Any) -> frozenset[str]:
    resolvers = (each for each in document.values() if each)
    return frozenset(name for each in resolvers for one in each.get("Certificates") or () for name in _names(one))


def forget_certificates(path: Path, hosts: Collection[str]) -> None:
    """Take the certificates of these hosts out of the file, which Traefik reads at its start only.

    Their members have brought other ones. Of two for one name Traefik shows either, and it gives up none by itself.
    """
    try:
        document = parse_json(path.read_bytes()) if hosts else {}
        left = {name: _without(resolver, frozenset(hosts)) for name, resolver in document.items()}
    except FileNotFoundError:
        return
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        # Traefik says what is wrong with it, and gets new ones.
        log.warn(
            "{path} cannot be read: {error}", event="traefik.certificates-unreadable", path=path, error=type(error).__name__
        )
        return
    if left != document:
        replace_file(path, json.dumps(left, indent=2).encode())


def _without(resolver: Any, hosts: frozenset[str]) -> Any:
    if not resolver or not resolver.get("Certificates"):
        return resolver
    kept = [each for each in resolver["Certificates"] if not hosts.intersection(_names(each))]
    return {**resolver, "Certificates": kept}


def _names(certificate: Any) -> list[str]:
    return [certificate["domain"]["main"], *(certificate["domain"].get("sans") or ())]
