"""How far LXD says that it is, and what can be wished for."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.world import SSH_KEY
from webspaced.core.creation import Progress, Step, progress_of, wishes
from webspaced.core.user import User
from webspaced.errors import Invalid

UNPACKING = {"percent": "61", "speed": "120987297", "stage": "create_instance_from_image_unpack"}


class ProgressTests(SynchronousTestCase):
    def test_as_both_tell_it(self) -> None:
        for text in ("Unpack: 61% (120.99MB/s)", "Unpacking image: 61% (140.08MB/s)"):
            metadata = {"create_instance_from_image_unpack_progress": text, "progress": UNPACKING}
            self.assertEqual(progress_of(metadata), Progress(step=Step.UNPACK, percent=61))

    def test_a_download(self) -> None:
        downloading = {"download_progress": "rootfs: 42% (12.30MB/s)"}
        self.assertEqual(progress_of(downloading), Progress(step=Step.DOWNLOAD, percent=42))
        self.assertEqual(progress_of({"download_progress": "12.30MB"}), Progress(step=Step.DOWNLOAD))

    def test_the_unpacking_after_a_download(self) -> None:
        both = {"download_progress": "rootfs: 100% (1MB/s)", "progress": UNPACKING}
        self.assertEqual(progress_of(both), Progress(step=Step.UNPACK, percent=61))

    def test_without_a_number(self) -> None:
        for percent in (None, "", "-1", "x", "1000", "\u0661", 1.5, {}):
            self.assertEqual(progress_of({"progress": {**UNPACKING, "percent": percent}}), Progress(step=Step.UNPACK))
        self.assertEqual(progress_of({"progress": {**UNPACKING, "percent": "101"}}), Progress(step=Step.UNPACK, percent=100))

    def test_nothing(self) -> None:
        for metadata in (None, {}, [], "x", {"progress": None}, {"fds": {}}):
            self.assertIsNone(progress_of(metadata))


class WishTests(SynchronousTestCase):
    alice = User(id=1, username="alice", ssh_key=f"{SSH_KEY}\n")

    def test_what_is_inside(self) -> None:
        for password, ssh, inside in ((None, False, False), ("x", False, True), (None, True, True)):
            self.assertEqual(wishes(self.alice, "debian", password, ssh=ssh).inside, inside)
        self.assertEqual(wishes(self.alice, "debian", None, ssh=True).key, SSH_KEY)

    def test_no_key_on_the_account(self) -> None:
        for key in (None, "", "  \n", "ssh-ed25519 AAAA"):
            self.assertRaises(Invalid, wishes, User(id=1, username="alice", ssh_key=key), "debian", None, ssh=True)

    def test_a_bad_key_matters_only_to_ssh(self) -> None:
        self.assertIsNone(wishes(User(id=1, username="alice", ssh_key="x"), "debian", None, ssh=False).key)

    def test_secrets_are_not_shown(self) -> None:
        shown = repr(wishes(self.alice, "debian", "secret", ssh=True))
        self.assertFalse("secret" in shown or SSH_KEY in shown)
