"""The automatic certificates that an embedded Traefik has got by ACME, and keeps in a file of its own."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from twisted.logger import Logger

from webspaced.lib.files import replace_file

log = Logger()


def forget_certificates(path: Path, hosts: Collection[str]) -> None:
    """Take the certificates of these hosts out of the file, which Traefik reads at its start only.

    Their members have brought other ones. Of two for one name Traefik shows either, and it gives up none by itself.
    """
    try:
        document = json.loads(path.read_bytes()) if hosts else {}
        left = {name: _without(resolver, frozenset(hosts)) for name, resolver in document.items()}
    except FileNotFoundError:
        return
    except (ValueError, TypeError, KeyError, AttributeError, OSError) as error:
        # Traefik says what is wrong with it, and gets new ones.
        log.warn("{path} cannot be read: {error}", path=path, error=type(error).__name__)
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
