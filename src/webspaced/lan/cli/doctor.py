"""``webspaced-lan doctor``: what is wrong with the LAN as it is seen from here; it changes nothing."""

from __future__ import annotations

import argparse
import subprocess
from collections.abc import Iterator
from pathlib import Path

from webspaced.base.commands import Command, add_config, give
from webspaced.base.plugin import read_settings
from webspaced.lan.device import Seen, look
from webspaced.lan.guard import FAMILY, table_of
from webspaced.lan.kernel import NFT, open_to_all
from webspaced.lan.overlay import OVERHEAD, IPAddress, Overlay
from webspaced.lan.settings import SCHEMA, Settings, former_file

HEADERS = {4: 28, 6: 48}
"""Bytes of IP and ICMP before what ping sends."""
PATIENCE = 10
FINE, FAULT = "fine", "FAULT"


def examine(settings: Settings) -> Iterator[tuple[str, str]]:
    """Give the findings: a level, and what was found with its remedy."""
    overlay = settings.overlay
    seen = look(overlay)
    if seen is None:
        yield FAULT, f"there is no device {overlay.interface}: is the agent running (twistd -n webspaced-lan)?"
        return
    yield from _of_device(overlay, seen)
    for peer in sorted(seen.peers, key=int):
        yield _of_peer(seen.mtu + OVERHEAD[overlay.local.version], peer)
    if not seen.peers and not settings.existing:
        yield FAULT, "there are no peers: see services, pods, names and peers in the settings"
    if settings.guard and not settings.existing:
        yield _of_guard(overlay)


def _of_device(overlay: Overlay, seen: Seen) -> Iterator[tuple[str, str]]:
    if overlay.bridge is not None and seen.bridge != overlay.bridge:
        yield FAULT, f"{overlay.interface} is a port of {seen.bridge or 'no bridge'}, and is to be one of {overlay.bridge}"
    if seen.below is None:
        yield FAULT, f"no device has the address {overlay.local}: see ip in the settings"
    elif seen.mtu > seen.below - OVERHEAD[overlay.local.version]:
        most = seen.below - OVERHEAD[overlay.local.version]
        yield FAULT, f"packets of {overlay.interface} (MTU {seen.mtu}) do not fit below: vxlan.mtu may be {most} at most"
    else:
        yield FINE, f"{overlay.interface} has the MTU {seen.mtu} over one of {seen.below}"


def _of_peer(size: int, peer: IPAddress) -> tuple[str, str]:
    """Try whether packets of the LAN get through to a peer whole, with what VXLAN takes."""
    if _answers(peer, size):
        return FINE, f"{peer} gets packets of {size} bytes"
    if _answers(peer, HEADERS[peer.version] + 8):
        return FAULT, f"{peer} answers, and packets of {size} bytes do not get there: some network between has a smaller MTU"
    return FAULT, f"{peer} does not answer to ping: it is away, or a NetworkPolicy is between"


def _answers(peer: IPAddress, size: int) -> bool:
    payload = str(size - HEADERS[peer.version])
    command = ["ping", "-n", "-q", "-c", "2", "-i", "0.2", "-W", "1", "-M", "do", "-s", payload, str(peer)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE)
    return done.returncode == 0


def _of_guard(overlay: Overlay) -> tuple[str, str]:
    command = [NFT, "list", "table", FAMILY, table_of(overlay)]
    if subprocess.run(command, capture_output=True, check=False, timeout=PATIENCE).returncode:
        return FAULT, "strangers are not kept out: nftables does not have our table"
    return FINE, "strangers are kept out by nftables"


def _settings(arguments: argparse.Namespace) -> Settings:
    return read_settings(SCHEMA, arguments.config or former_file(Path.cwd()))


def _doctor(arguments: argparse.Namespace) -> int:
    found = list(examine(_settings(arguments)))
    for level, text in found:
        give(f"{level:6} {text}")
    return int(any(level == FAULT for level, _ in found))


def _open(arguments: argparse.Namespace) -> int:
    open_to_all(_settings(arguments).overlay)
    return 0


def _configure(parser: argparse.ArgumentParser) -> None:
    add_config(parser, SCHEMA, "the agent's")
    parser.set_defaults(run=_doctor)


def _configure_open(parser: argparse.ArgumentParser) -> None:
    _configure(parser)
    parser.set_defaults(run=_open)


DOCTOR = Command(
    name="doctor", help="say what is wrong with the LAN as it is seen from here; status 1 if anything is",
    configure=_configure,
)  # fmt: skip
OPEN = Command(
    name="open", help="let strangers in again: remove the agent's table of nftables, which stays after its end",
    configure=_configure_open,
)  # fmt: skip
