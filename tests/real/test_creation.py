"""Creation with a password and an SSH server, from the API's call to a login through the forwarded port."""

from __future__ import annotations

import http.client
import json
import subprocess
import threading
from typing import Any, ClassVar

import yaml

from tests.stack import INCUS_VARIABLE, Answer, StackCase, wait_until
from tests.visitors import PATIENCE

PASSWORD = "geheim:$(reboot) ü"
CREATING = "user._webspaced_creating"
STEPS = ["unpack", "boot", "packages", "ssh", "stop", "finish"]


class CreationCase(StackCase):
    starts = False

    def prepare(self) -> None:
        self.key = self.stack.directory / "key"
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.key)]
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL)

    def setUp(self) -> None:
        super().setUp()
        self._give_key()
        self.stack.start()

    def _give_key(self) -> None:
        """Let Alice's account have the key."""
        path = self.stack.directory / "users.yaml"
        document = yaml.safe_load(path.read_text())
        document["users"][0]["ssh_key"] = self.key.with_suffix(".pub").read_text()
        path.write_text(yaml.safe_dump(document))

    def ask_for(self, **wanted: Any) -> Answer:
        answer: Answer = self.stack.ask("POST", "/v1/webspace/self", wanted)
        return answer

    def log_in(self, port: int, *command: str) -> str:
        options = {
            "IdentityFile": self.key, "IdentitiesOnly": "yes", "BatchMode": "yes", "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null", "LogLevel": "ERROR", "ConnectTimeout": int(PATIENCE),
        }  # fmt: skip
        arguments = [f"-o{name}={value}" for name, value in options.items()]
        ssh = ["ssh", "-F", "none", *arguments, "-p", str(port), "root@127.0.0.1", *command]
        done = subprocess.run(ssh, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def nothing_is_left(self) -> None:
        self.assertEqual(self.stack.rest.get("/1.0/instances"), [])
        self.assertEqual(self.stack.ask("GET", "/v1/webspace/self").status, 404)
        self.assertEqual(self.stack.routes(), {})


class LoginTests(CreationCase):
    variants: ClassVar[tuple[str, ...]] = ("fast", "ssh", "packages")

    def test_with_the_server_that_the_image_has(self) -> None:
        answer = self.ask_for(image="ssh", password=PASSWORD, ssh=True)
        self.assertEqual(answer.status, 201, answer)
        ((port, internal),) = answer.json["ports"].items()
        self.assertEqual(internal, 22)
        self.assertEqual(self.stack.status(), "Stopped")
        self.assertIsNone(self.stack.key(CREATING))
        # The login wakes it.
        self.assertEqual(self.log_in(int(port), "hostname"), "ws-u1\n")
        shadow = self.log_in(int(port), "cat", "/etc/shadow")
        self.assertTrue(shadow.startswith("root:$6$"), shadow)
        salt = shadow.split("$")[2]
        hashed = subprocess.run(
            ["busybox", "mkpasswd", "-m", "sha512", "-S", salt, "-P", "0"],
            input=PASSWORD.encode(), capture_output=True, check=True,
        )  # fmt: skip
        self.assertEqual(shadow.split(":")[1], hashed.stdout.decode().strip())
        modes = self.log_in(int(port), "stat", "-c", "%a", "/root/.ssh", "/root/.ssh/authorized_keys")
        self.assertEqual(modes, "700\n600\n")
        self.assertEqual(self.stack.visit().status, 200)

    def test_with_one_that_a_package_manager_installs(self) -> None:
        answer = self.ask_for(image="packages", ssh=True)
        self.assertEqual(answer.status, 201, answer)
        (port,) = answer.json["ports"]
        self.assertEqual(self.log_in(int(port), "hostname"), "ws-u1\n")

    def test_secrets_are_in_no_log(self) -> None:
        self.assertEqual(self.ask_for(image="ssh", password=PASSWORD, ssh=True).status, 201)
        log = self.stack.log()
        self.assertFalse(PASSWORD in log or self.key.with_suffix(".pub").read_text().split()[1] in log)

    def test_a_system_that_has_no_packages(self) -> None:
        answer = self.ask_for(image="fast", ssh=True)
        self.assertEqual(answer.status, 502, answer)
        self.assertIn("no SSH server can be installed on busybox", answer.json["message"])
        self.nothing_is_left()

    def test_no_key_on_the_account(self) -> None:
        answer = self.stack.ask("POST", "/v1/webspace/self", {"image": "ssh", "ssh": True}, token="token-bob")
        self.assertEqual(answer.status, 400, answer)
        self.nothing_is_left()


class FailureTests(CreationCase):
    variants: ClassVar[tuple[str, ...]] = ("nopasswd", "nonet", "packages")
    webspaces: ClassVar[dict[str, Any]] = {"ip_timeout": "2s"}

    def test_a_password_that_cannot_be_set(self) -> None:
        answer = self.ask_for(image="nopasswd", password=PASSWORD)
        self.assertEqual(answer.status, 502, answer)
        self.assertEqual(answer.json["message"], "the password could not be set: chpasswd ended with 1")
        self.nothing_is_left()
        self.assertNotIn("geheim", self.stack.log())

    def test_no_network(self) -> None:
        answer = self.ask_for(image="nonet", ssh=True)
        self.assertEqual(answer.status, 502, answer)
        self.nothing_is_left()

    def test_webspaced_dies_in_the_middle(self) -> None:
        begun = threading.Thread(target=self._lost, daemon=True)
        begun.start()
        wait_until("it runs", lambda: self.stack.rest.get("/1.0/instances") and self.stack.status() == "Running")
        self.assertEqual((self.stack.key(CREATING) or "").split()[0], "ws-u1")
        self.stack.kill()
        begun.join()
        self.stack.start()
        wait_until("it is swept", lambda: self.stack.rest.get("/1.0/instances") == [])
        self.nothing_is_left()
        self.assertEqual(self.ask_for(image="packages", ssh=True).status, 201)

    def _lost(self) -> None:
        try:
            self.ask_for(image="packages", ssh=True)
        except (OSError, http.client.HTTPException):
            return


class ProgressTests(CreationCase):
    variants: ClassVar[tuple[str, ...]] = ("packages",)

    def test_the_steps_as_events(self) -> None:
        self.assertEqual(self.stack.ask("GET", "/v1/webspace/self/creation").status, 404)
        answers: list[Answer] = []
        asking = threading.Thread(target=lambda: answers.append(self.ask_for(image="packages", ssh=True)))
        asking.start()
        response = wait_until("there is a creation", self._listen)
        events = [each.split("\n") for each in response.read().decode().split("\n\n") if each]
        asking.join()
        self.assertEqual(answers[0].status, 201, answers)
        kinds = [event[0] for event in events]
        self.assertEqual((set(kinds[:-1]), kinds[-1]), ({"event: progress"}, "event: done"))
        documents = [json.loads(event[1].removeprefix("data: ")) for event in events]
        steps = list(dict.fromkeys(document["step"] for document in documents))
        # Those before were over when the listener came.
        self.assertEqual(steps, STEPS[-len(steps) :])
        after = self.stack.ask("GET", "/v1/webspace/self/creation").json
        self.assertEqual((after["state"], after["message"]), ("done", None))

    def _listen(self) -> http.client.HTTPResponse | None:
        connection = http.client.HTTPConnection("127.0.0.1", self.stack.api_port, timeout=PATIENCE)
        headers = {"Authorization": "Bearer token-alice", "Accept": "text/event-stream"}
        connection.request("GET", "/v1/webspace/self/creation", headers=headers)
        response = connection.getresponse()
        self.addCleanup(connection.close)
        return response if response.status == 200 else None


class IncusLoginTests(LoginTests):
    variable = INCUS_VARIABLE


class IncusFailureTests(FailureTests):
    variable = INCUS_VARIABLE


class IncusProgressTests(ProgressTests):
    variable = INCUS_VARIABLE


