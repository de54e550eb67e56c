"""`webspaced user` as an operator types it."""

from __future__ import annotations

import io
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import watch
from webspaced.cli import main
from webspaced.cli.registry import COMMANDS
from webspaced.iam.static import UsersFile


class CommandCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()
        self.path = self.folder / "users.yaml"
        self.patch(os, "environ", {"HOME": str(self.folder)})

    def run_it(self, *words: str) -> tuple[int, str, str]:
        """Give exit status, standard output and standard error."""
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            try:
                status = main(words)
            except SystemExit as ended:
                status = ended.code
        return status, out.getvalue(), err.getvalue()

    def user(self, *words: str) -> str:
        """Run `webspaced user` on the file, which must work, and give its output."""
        status, out, err = self.run_it("user", words[0], "--users-file", str(self.path), *words[1:])
        self.assertEqual(status, 0, err)
        return out

    def wrong(self, status: int, *words: str) -> str:
        """Run a command that must fail so, and give what it says."""
        found, out, err = self.run_it(*words)
        self.assertEqual((found, out), (status, ""), err)
        self.assertNotIn("Traceback", err)
        return err


class UserTests(CommandCase):
    def test_the_token_is_all_of_the_output_and_works(self) -> None:
        token = self.user("add", "alice").removesuffix("\n")
        self.assertNotIn("\n", token)
        caller = watch(UsersFile(self.path).authenticate(token)).value
        self.assertEqual((caller.user.username, caller.user.id, caller.user.is_admin), ("alice", 1, False))

    def test_options_of_add(self) -> None:
        token = self.user("add", "root", "--id", "99", "--admin").strip()
        caller = watch(UsersFile(self.path).authenticate(token)).value
        self.assertEqual((caller.user.id, caller.user.is_admin), (99, True))

    def test_list(self) -> None:
        self.user("add", "alice", "--id", "5")
        self.user("add", "bob", "--id", "2", "--admin")
        self.assertEqual(self.user("list"), "2\tbob\tadmin\n5\talice\n")

    def test_one_without_a_token_is_listed_as_such(self) -> None:
        self.path.write_text("users: [{id: 1, username: carol}]")
        self.assertEqual(self.user("list"), "1\tcarol\tno token\n")

    def test_token_and_remove(self) -> None:
        old = self.user("add", "alice").strip()
        new = self.user("token", "alice").strip()
        identity = UsersFile(self.path)
        self.assertEqual(watch(identity.authenticate(new)).value.user.username, "alice")
        self.assertIsNotNone(watch(identity.authenticate(old)).error)
        self.assertEqual(self.user("remove", "alice"), "")
        self.assertIsNotNone(watch(identity.authenticate(new)).error)

    def test_mistakes_are_one_line_each(self) -> None:
        self.user("add", "alice")
        file = ("--users-file", str(self.path))
        self.assertIn("alice is there already", self.wrong(1, "user", "add", *file, "alice"))
        self.assertIn("the id 1 is alice's", self.wrong(1, "user", "add", *file, "bob", "--id", "1"))
        self.assertIn("not a DNS label", self.wrong(1, "user", "add", *file, "b b"))
        self.assertIn("no user bob", self.wrong(1, "user", "token", *file, "bob"))
        self.assertIn("No such file", self.wrong(1, "user", "list", "--users-file", str(self.folder / "none")))
        for words in (("--id", "x", "b"), ("--id", "-1", "b"), ("--id", str(10**18), "b"), ()):
            self.wrong(2, "user", "add", *file, *words)
        for words in ((), ("nonsense",), ("user",), ("user", "add", "a", *file, "--config", "x")):
            self.wrong(2, *words)


class SettingsTests(CommandCase):
    """The file is the daemon's."""

    def config(self, text: str, name: str = "c.yaml") -> str:
        path = self.folder / name
        path.write_text(f"data_dir: {self.folder}/data\nwebspaces: {{domain: example.org}}\n{text}")
        return str(path)

    def test_of_a_configuration(self) -> None:
        self.assertEqual(self.run_it("user", "add", "alice", "--config", self.config(""))[0], 0)
        self.assertTrue((self.folder / "data" / "users.yaml").exists())

    def test_of_the_one_that_is_found_here(self) -> None:
        self.config(f"iam: {{users_file: {self.path}}}", "webspaced.yaml")
        before = Path.cwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.folder)
        self.assertEqual(self.run_it("user", "add", "alice")[0], 0)
        self.assertTrue(self.path.exists())

    def test_of_a_variable(self) -> None:
        os.environ["WSD_IAM_USERS_FILE"] = str(self.path)
        self.assertEqual(self.run_it("user", "add", "alice", "--config", self.config(""))[0], 0)
        self.assertTrue(self.path.exists())

    def test_with_iamd_there_is_none(self) -> None:
        said = self.wrong(1, "user", "add", "alice", "--config", self.config("iam: {url: 'https://iam.example.org'}"))
        self.assertIn("iam.provider is iamd", said)

    def test_a_wrong_configuration_is_told_line_by_line(self) -> None:
        said = self.wrong(1, "user", "list", "--config", self.config("nonsense: 1\nlog_level: loud\n"))
        self.assertIn("nonsense", said)
        self.assertIn("log_level", said)


class HelpTests(CommandCase):
    def test_every_command_tells_what_it_does(self) -> None:
        status, out, _ = self.run_it("--help")
        self.assertEqual(status, 0)
        self.assertIn("twistd -n webspaced", " ".join(out.split()))
        for command in COMMANDS:
            self.assertIn(command.help, " ".join(out.split()))
        for action in ("add", "list", "remove", "token"):
            status, out, _ = self.run_it("user", action, "--help")
            self.assertEqual(status, 0)
            self.assertIn("--users-file", out)

    def test_the_command_line_is_the_default(self) -> None:
        self.patch(sys, "argv", ["webspaced", "user", "list", "--users-file", str(self.path)])
        err = io.StringIO()
        with redirect_stderr(err):
            self.assertEqual(main(), 1)
        self.assertIn("users.yaml", err.getvalue())
