"""Every shell block that is not excused, run against a simulated daemon of its page's own."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import yaml

from tests.certificates import issue
from tests.dns_server import DnsServer
from tests.docs import stand_in
from tests.docs.blocks import ROOT, Block, Command, blocks, commands, pages
from tests.real.simulated import SimulatedCase

DOMAINS = ("www.example.net", "old.example.net")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHlvdQ7vVbqA3cJ2hXyC0Nn3mBv4vBv3kq0mQd0m0m0m alice"
HOME = "/var/lib/webspaced"
"""Where pages have ``data_dir``."""


def masked(line: str) -> str:
    """Give a line with every number as 0: what is shown was measured elsewhere."""
    return re.sub(r"\d+(?:\.\d+)?", "0", line.strip())


class PageCase(SimulatedCase):
    page: ClassVar[Path]

    def setUp(self) -> None:
        self.dns = DnsServer()
        self.addCleanup(self.dns.close)
        self.dns.texts = {domain: ["webspace:id:1"] for domain in DOMAINS}
        self.settings = {  # type: ignore[misc]
            "WEBSPACES_DOMAIN": "localhost",
            "WEBSPACES_DOMAINS_RESOLVERS": self.dns.address,
            "WEBSPACES_SLEEP_DOZE_AFTER": "1h",
        }
        super().setUp()
        self.wanted = [block for block in blocks(self.page) if block.is_shell and not block.excuse]
        self.folder = self.directory / "work"
        self.folder.mkdir()
        (self.directory / "state").write_text("")
        self.environment = {**self.base(), **self.stand_ins()}
        self.prepare({each.strip() for block in self.wanted for each in block.said.get("prepared", "").split(";")})

    def start(self) -> subprocess.Popen[bytes]:
        users = yaml.safe_load((self.directory / "users.yaml").read_text())
        for user in users["users"]:
            user["ssh_key"] = KEY
        (self.directory / "users.yaml").write_text(yaml.safe_dump(users))
        return super().start()

    def base(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),
            "API": f"http://127.0.0.1:{self.api}",
            "TOKEN": "token-alice",
            "ADMIN": "token-root",
            "WSD_DATA_DIR": str(self.directory / "simulation"),
            "WSD_IAM_USERS_FILE": str(self.directory / "users.yaml"),
            "WSD_WEBSPACES_DOMAIN": "localhost",
            **{name: os.environ[name] for name in ("PYTHONPATH", "LANG") if name in os.environ},
        }

    def stand_ins(self) -> dict[str, str]:
        """Put a curl first that knows where this daemon is."""
        folder = self.directory / "bin"
        folder.mkdir()
        curl = shutil.which("curl")
        assert curl, "there is no curl"
        (folder / "curl").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {stand_in.__file__} "$@"\n')
        (folder / "curl").chmod(0o755)
        pairs = [
            ("http://127.0.0.1:8000", f"http://127.0.0.1:{self.api}"),
            ("http://alice.localhost:8080", f"http://alice.localhost:{self.http}"),
            ('"image": "tiny"', '"image": "fast"'), ('"image": "debian/12"', '"image": "packages"'),
            ("/ports/7", "/ports/7007"),
        ]  # fmt: skip
        path = os.pathsep.join((str(folder), str(Path(sys.executable).parent), os.environ["PATH"]))
        return {"PATH": path, "STANDS_FOR": json.dumps(pairs), "REAL_CURL": curl}

    def prepare(self, things: set[str]) -> None:
        """Have what a page says that it needs beside a webspace of Alice's."""
        if "no webspace" not in things:
            self.assertEqual(self.ask("POST", "", b'{"image": "fast"}').status, 201)
        for thing in things:
            if thing.startswith("domain "):
                self.assertEqual(self.ask("POST", f"/domains/{thing.removeprefix('domain ')}").status, 201)
        if "fullchain.pem and privkey.pem" in things:
            own = issue(DOMAINS[0])
            (self.folder / "fullchain.pem").write_text(own.pem)
            (self.folder / "privkey.pem").write_text(own.key)
        if "kept.json" in things:
            self.run_one(Command(0, "webspaced export kept.json"), "preparing")
        if "up.json" in things:
            (self.folder / "run").mkdir()
            facts = {"api": f"http://127.0.0.1:{self.api}", "http": f"http://127.0.0.1:{self.http}", "token": "token-alice"}
            (self.folder / "run" / "up.json").write_text(json.dumps(facts))

    def run_page(self) -> None:
        """Run all blocks from top to bottom; numbers that the page shows stand for those that were answered."""
        ports: dict[str, str] = {}
        for block in self.wanted:
            for command in commands(block):
                text = command.text
                for shown, real in ports.items():
                    text = text.replace(shown, real)
                answered = self.run_one(Command(command.line, text), block.where)
                self.compare(block, command, answered)
                for line in command.shown:
                    if found := re.fullmatch(r'\{"ePort": (\d+)\}', line):
                        ports[found[1]] = str(next(json.loads(each)["ePort"] for each in answered if "ePort" in each))

    def run_one(self, command: Command, where: str) -> list[str]:
        """Run one as a shell does that goes on from the last; gives its lines."""
        state = self.directory / "state"
        script = f". {state}\n{command.text}\nexport -p > {state}\n"
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=self.folder, env=self.environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
        )  # fmt: skip
        output = f"{done.stdout}{done.stderr}"
        self.assertEqual(done.returncode, 0, f"{where}: {command.text}\n{output}\n{self.log.read_text()[-3000:]}")
        return output.replace(str(self.directory), HOME).splitlines()

    def compare(self, block: Block, command: Command, answered: list[str]) -> None:
        there = {masked(line) for line in answered}
        for line in command.shown:
            if line.strip() and "..." not in line and "…" not in line:
                self.assertIn(masked(line), there, f"{block.where}: {command.text}")


def _cases() -> Iterator[tuple[str, type[PageCase]]]:
    for page in pages():
        if any(block.is_shell and not block.excuse for block in blocks(page)):
            name = re.sub(r"\W", "_", str(page.relative_to(ROOT)).removesuffix(".md"))
            yield name, type(name, (PageCase,), {
                "page": page, "__module__": __name__, f"test_{name}": lambda self: self.run_page(),
            })  # fmt: skip


globals().update(_cases())
