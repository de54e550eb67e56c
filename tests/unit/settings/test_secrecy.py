"""Files with secrets that others may read are named."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from webspaced.settings import exposed_files

PLAIN = "webspaces: {domain: example.org}\n"


class ExposedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def file(self, name: str, content: str, mode: int) -> Path:
        path = self.folder / name
        path.write_text(content)
        path.chmod(mode)
        return path

    def test_a_configuration_with_a_secret_in_it(self) -> None:
        for secret in ("traefik: {redis: {password: x}}", "iam: {token: x}", "lxd: {tls: {trust_password: x}}"):
            for mode, exposed in ((0o644, True), (0o604, True), (0o600, False), (0o640, False)):
                path = self.file("webspaced.yaml", PLAIN + secret, mode)
                self.assertEqual(exposed_files(path, {}), (path,) if exposed else (), (secret, oct(mode)))

    def test_one_without_may_be_read_by_everybody(self) -> None:
        shown = PLAIN + "lxd: {tls: {server_cert: '-----BEGIN CERTIFICATE-----'}}\niam: {token: ''}\n"
        self.assertEqual(exposed_files(self.file("webspaced.yaml", shown, 0o644), {}), ())
        self.assertEqual(exposed_files(None, {}), ())

    def test_the_files_that_it_names(self) -> None:
        key, token, shown = (self.file(name, "x", 0o644) for name in ("key", "token", "cert"))
        settings = f"lxd: {{tls: {{client_key_file: {key}, client_cert_file: {shown}}}}}\n"
        path = self.file("webspaced.yaml", PLAIN + settings, 0o644)
        self.assertEqual(set(exposed_files(path, {"WSD_IAM_TOKEN_FILE": str(token)})), {key, token})
        for each in (key, token):
            each.chmod(0o600)
        self.assertEqual(exposed_files(path, {"WSD_IAM_TOKEN_FILE": str(token)}), ())

    def test_what_is_not_there_is_not_exposed(self) -> None:
        self.assertEqual(exposed_files(None, {"WSD_IAM_TOKEN_FILE": str(self.folder / "none")}), ())
