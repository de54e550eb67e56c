"""The document against the running daemon: schemathesis finds nothing, and a client generated from it works."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

import yaml

from tests.real.simulated import SimulatedCase
from tests.stack import exchange

DOCUMENT = files("webspaced") / "static" / "api.yaml"
OF_THE_OPERATOR = "^/(routes|internal)"
EXTERNAL, LONGEST_DELAY = 49152, 60
"""What this operator allows, which the document cannot say for all: the first external port, and a start-up delay."""
RULES = """
[checks]
# A body's bytes are bounded, which no schema can say: JSON may take six bytes for a character.
positive_data_acceptance.expected-statuses = ["2xx", "401", "403", "404", "409", "413", "429", "5xx"]
negative_data_rejection.expected-statuses = [
  "400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx",
]

[[operations]]
# What is wrong with these no schema can say: an account without an SSH key, a domain that is not the member's or is the
# default one, a certificate that is none, too little for a WebSocket handshake.
include-operation-id = [
  "createWebspace", "addDomain", "removeDomain", "putCertificate", "readCertificate", "removeCertificate",
  "openTerminal", "openConsole",
]
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "413"]

[[operations]]
# The DNS servers of this machine are asked, if it has any.
include-operation-id = "addDomain"
checks.not_a_server_error.expected-statuses = ["2xx", "4xx", "503", "504"]
"""
NO_OTHER_METHODS = """
[phases.coverage]
# One of them would be the call that is left out.
unexpected-methods = []
"""


def program(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def run(command: Sequence[str], cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-2000:]}"
    return done.stdout


class SchemathesisTests(SimulatedCase):
    settings: ClassVar[dict[str, object]] = {
        "HTTP_LIMITS_PER_ADDRESS": 0,
        "HTTP_LIMITS_PER_USER": 0,
        "TRAEFIK_SETTLE_TIME": "10ms",
        "WEBSPACES_DRAIN_TIME": "10ms",
        "WEBSPACES_MAX_STARTUP_DELAY": LONGEST_DELAY,
        "WEBSPACES_PORTS_MAX": 1000,
    }

    def narrowed(self, users: Sequence[str]) -> Path:
        """Write the document for these users' webspaces, or everybody's, and this operator's settings."""
        document: Any = yaml.safe_load(DOCUMENT.read_text(encoding="utf-8"))
        if users:
            schema = {"type": "string", "enum": list(users)}
            document["components"]["parameters"]["User"].update(schema=schema, example=users[0])
        config = document["components"]["schemas"]["ConfigChange"]["properties"]
        config["startupDelay"]["maximum"] = LONGEST_DELAY
        # The language of crontab(5) is more than a pattern can say.
        config["wakeAt"]["items"] = {"type": "string", "pattern": "^([01][0-9]|2[0-3]):[0-5][0-9]$"}
        for parameter in document["paths"]["/v1/webspace/{user}/ports/{external}/{internal}"]["parameters"]:
            if parameter.get("name") == "external":
                parameter["schema"] = {"type": "integer", "minimum": EXTERNAL, "maximum": 65535}
        path = self.directory / "api.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        return path

    def finds_nothing(
        self, token: str, *options: str, users: Sequence[str] = (), rules: str = RULES, port: int | None = None
    ) -> None:
        (self.directory / "schemathesis.toml").write_text(rules)
        shown = run(
            [
                program("schemathesis"), "--no-color", "--config-file", "schemathesis.toml", "run",
                str(self.narrowed(users)), "--url", f"http://127.0.0.1:{port or self.api}",
                "--header", f"Authorization: Bearer {token}",
                # In more threads than one CPython's parser fails now and then (Hypothesis reads sources by it).
                "--workers", "1", "--continue-on-failure", "--seed", "1",
                # That this machine is slow is no fault of the document's.
                "--suppress-health-check", "too_slow", *options,
            ],
            self.directory,
        )  # fmt: skip
        self.assertRegex(shown, r"[1-9][0-9]+ generated, [1-9][0-9]+ passed")
        self.assertNotIn("Traceback", self.log.read_text())

    def test_as_a_member(self) -> None:
        # Their webspace stays, so that most calls come to something; a reboot takes a second, and is the admin's.
        self.assertEqual(self.ask("POST", "", b'{"image": "fast"}').status, 201)
        left_out = ("--exclude-operation-id", "deleteWebspace", "--exclude-operation-id", "rebootWebspace")
        self.finds_nothing(
            "token-alice", "--max-examples", "10", "--exclude-path-regex", OF_THE_OPERATOR, *left_out,
            "--exclude-checks", "unsupported_method,allow_header_conformance",
            users=("self",), rules=RULES + NO_OTHER_METHODS,
        )  # fmt: skip
        self.assertEqual(self.ask("GET", "").status, 200)

    def test_as_an_admin(self) -> None:
        self.finds_nothing(
            "token-root", "--max-examples", "5", "--phases", "fuzzing,stateful", "--exclude-path-regex", OF_THE_OPERATOR,
            users=("self", "bob", "id:3"),
        )  # fmt: skip

    def test_at_any_webspace(self) -> None:
        for token in ("token-alice", "token-root", "nobodys"):
            self.finds_nothing(token, "--phases", "examples,coverage", "--exclude-path-regex", OF_THE_OPERATOR)

    def test_at_the_operators_listener(self) -> None:
        self.assertEqual(self.ask("POST", "", b'{"image": "fast"}').status, 201)
        # The routes are served where Traefik fetches them, which it does not here.
        self.finds_nothing(
            "token-root", "--max-examples", "10", "--phases", "examples,coverage,fuzzing",
            "--include-path-regex", "^/(internal|live|ready|health)", users=("alice", "id:1"), port=self.internal,
        )  # fmt: skip


class ClientTests(SimulatedCase):
    """As somebody else's program uses the API: by a client that openapi-python-client made."""

    def setUp(self) -> None:
        super().setUp()
        document, settings = self.directory / "api.yaml", self.directory / "generator.yaml"
        document.write_bytes(DOCUMENT.read_bytes())
        # It would tidy up what nobody reads; and it knows no YAML as an answer, of which there is one, the document itself.
        settings.write_text("post_hooks: []\ncontent_type_overrides:\n  application/yaml: application/json\n")
        package = f"client_{self.api}"
        run(
            [
                program("openapi-python-client"), "generate", "--path", str(document), "--meta", "none", "--fail-on-warning",
                "--output-path", str(self.directory / package), "--config", str(settings),
            ],
            self.directory,
        )  # fmt: skip
        sys.path.insert(0, str(self.directory))
        self.addCleanup(sys.path.remove, str(self.directory))
        self.package = package
        self.models = importlib.import_module(f"{package}.models")
        self.addCleanup(self.forget)
        made = importlib.import_module(f"{package}.client")
        self.client = made.AuthenticatedClient(base_url=f"http://127.0.0.1:{self.api}", token="token-alice")

    def forget(self) -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == self.package]:
            del sys.modules[name]

    def call(self, name: str, *arguments: Any, **more: Any) -> Any:
        """Make a call by its module's name, such as ``webspace.read_webspace``; gives the parsed answer."""
        module = importlib.import_module(f"{self.package}.api.{name}")
        return module.sync_detailed("self", *arguments, client=self.client, **more)

    def test_the_life_of_a_webspace(self) -> None:
        created = self.call("webspace.create_webspace", body=self.models.NewWebspace(image="fast"))
        self.assertEqual((created.status_code, created.parsed.user, created.parsed.domains), (201, 1, []))
        self.assertEqual(self.call("webspace.read_webspace").parsed, created.parsed)
        self.config()
        self.ports()
        done = self.call("inside.run_command", body=self.models.Command(command="getent passwd root")).parsed
        self.assertEqual((done.exit_code, len(done.stdout.split(":"))), (0, 7))
        state = self.call("state.read_state").parsed
        self.assertTrue(state.running)
        self.assertIn("eth0", state.network_interfaces.additional_properties)
        self.assertEqual(self.call("domains.list_domains").parsed, ["alice.example.test"])
        deleted = self.call("webspace.delete_webspace")
        self.assertEqual((deleted.status_code, deleted.content), (204, b""))

    def config(self) -> None:
        change = self.models.ConfigChange(startup_delay=1.5)
        before = self.call("config.change_config", body=change).parsed
        now = self.call("config.read_config").parsed
        self.assertEqual((before.startup_delay, now.startup_delay, now.http_port), (3.0, 1.5, before.http_port))

    def ports(self) -> None:
        external = self.call("ports.add_random_port", 7007).parsed.e_port
        self.assertEqual(self.call("ports.list_ports").parsed.additional_properties, {str(external): 7007})
        change = self.models.ForwardChange(proxy_protocol=2)
        self.assertEqual(self.call("ports.change_port", external, body=change).status_code, 204)
        told = self.call("ports.add_random_port", 22, body=self.models.ForwardOptions(proxy_protocol=1)).parsed.e_port
        versions = self.call("webspace.read_webspace").parsed.proxy_protocol.additional_properties
        self.assertEqual(versions, {str(external): 2, str(told): 1})
        for port in (external, told):
            self.assertEqual(self.call("ports.remove_port", port).status_code, 204)

    def test_errors_have_messages(self) -> None:
        gone = self.call("webspace.read_webspace")
        self.assertEqual(gone.status_code, 404)
        self.assertIsInstance(gone.parsed, self.models.Problem)
        self.assertTrue(gone.parsed.message)
        wrong = self.call("webspace.create_webspace", body=self.models.NewWebspace(image="none"))
        self.assertEqual((wrong.status_code, "none" in wrong.parsed.message), (404, True))

    def test_it_is_what_the_daemon_serves(self) -> None:
        served = exchange("127.0.0.1", self.api, "GET", "/static/api.yaml", None, {})
        self.assertEqual((served.status, served.body), (200, DOCUMENT.read_bytes()))
