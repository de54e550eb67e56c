"""What `make up` writes for the daemon: its settings and its one member."""

import hashlib
import json
import secrets
from dataclasses import dataclass
from pathlib import Path

from harness.places import private_folder, write_private
from harness.ports import LOOPBACK, Ports
from harness.private_lxd import PROFILE

USER = "alice"
SLEEP = {"doze_after": "1m", "stop_after": "10m"}
"""So that falling asleep can be seen, too."""

SETTINGS = """\
# Written by `make up` at each start.
data_dir: {data}
iam:
  provider: static
  users_file: {users}
lxd:
  url: unix://{socket}
  project: {project}
webspaces:
  domain: localhost
  lxd_profile: {profile}
  boot_ports:
    start: {ports.boot_start}
    end: {ports.boot_end}
  ports:
    listen_address: {loopback}
    start: {ports.forward_start}
    end: {ports.forward_end}
  sleep:
    doze_after: {sleep[doze_after]}
    stop_after: {sleep[stop_after]}
http:
  listen_address: {loopback}:{ports.api}
  internal_address: {loopback}:{ports.internal}
metrics:
  listen_address: "off"
traefik:
  provider: file
  embedded: true
  http_address: {loopback}:{ports.http}
  https_address: {loopback}:{ports.https}
"""

USERS = """\
# Written by `make up` at each start. Only the hash of the token is here: the token is in up.json.
users:
  - id: 1
    username: {user}
    email: {user}@localhost
    first_name: Alice
    last_name: Example
    is_admin: false
    token_sha256: {hash}
"""


@dataclass(frozen=True)
class Server:
    """The LXD to use: its socket, and the project in it."""

    socket: Path
    project: str


def write_settings(run: Path, server: Server, ports: Ports) -> Path:
    """Write the daemon's settings; gives the file."""
    path = run / "webspaced.yaml"
    text = SETTINGS.format(
        data=private_folder(run / "data"), users=run / "users.yaml", socket=server.socket, project=server.project,
        profile=PROFILE, ports=ports, loopback=LOOPBACK, sleep=SLEEP,
    )
    write_private(path, text)
    return path


def simulation_variables(run: Path, ports: Ports) -> dict[str, str]:
    """The same for `--simulate`, which takes variables only."""
    settings = {
        "DATA_DIR": private_folder(run / "data"),
        "IAM_USERS_FILE": run / "users.yaml",
        "WEBSPACES_DOMAIN": "localhost",
        "WEBSPACES_BOOT_PORTS_START": ports.boot_start,
        "WEBSPACES_BOOT_PORTS_END": ports.boot_end,
        "WEBSPACES_PORTS_LISTEN_ADDRESS": LOOPBACK,
        "WEBSPACES_PORTS_START": ports.forward_start,
        "WEBSPACES_PORTS_END": ports.forward_end,
        **{f"WEBSPACES_SLEEP_{name.upper()}": value for name, value in SLEEP.items()},
        "HTTP_LISTEN_ADDRESS": f"{LOOPBACK}:{ports.api}",
        "METRICS_LISTEN_ADDRESS": "off",
        "HTTP_INTERNAL_ADDRESS": f"{LOOPBACK}:{ports.internal}",
        "TRAEFIK_HTTP_ADDRESS": f"{LOOPBACK}:{ports.http}",
        "TRAEFIK_HTTPS_ADDRESS": f"{LOOPBACK}:{ports.https}",
    }
    return {f"WSD_{name}": str(value) for name, value in settings.items()}


def mint_member(run: Path) -> str:
    """Give the member a new token; only its hash is stored here."""
    token = secrets.token_urlsafe(32)
    digest = hashlib.sha256(token.encode()).hexdigest()
    write_private(run / "users.yaml", USERS.format(user=USER, hash=digest))
    return token


def write_facts(path: Path, ports: Ports, token: str, lxd: str) -> dict[str, str]:
    """Write up.json, for programs that want to use what was brought up; gives its contents."""
    facts = {
        "api": f"http://{LOOPBACK}:{ports.api}",
        "http": f"http://{LOOPBACK}:{ports.http}",
        "https": f"https://{LOOPBACK}:{ports.https}",
        "user": USER,
        "token": token,
        "lxd": lxd,
    }
    write_private(path, json.dumps(facts, indent=1) + "\n")
    return facts
