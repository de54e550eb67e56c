"""Passwords and keys: what chpasswd and sshd would misread never gets to them."""

from __future__ import annotations

import base64
import struct

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.world import SSH_KEY
from webspaced.core.login import LONGEST_KEY, LONGEST_PASSWORD, check_key, check_password
from webspaced.errors import Invalid


def openssh(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


class PasswordTests(SynchronousTestCase):
    def refused(self, password: str) -> str:
        return str(self.assertRaises(Invalid, check_password, password))

    def test_what_is_taken(self) -> None:
        for password in ("a", "with:colons::", " blanks ", "pässwörd", "$(reboot)`", "x" * LONGEST_PASSWORD):
            self.assertEqual(check_password(password), password)

    def test_what_would_not_stay_on_its_line(self) -> None:
        for password in ("a\nroot:b", "a\r", "a\x00b", "\x1b[0m", "a\x7f", "a\x85b", "a\u2028b", "a\ud800"):
            self.assertIn("control", self.refused(password))

    def test_the_line_break_at_its_end_is_no_part_of_it(self) -> None:
        for typed, taken in (("secret\n", "secret"), ("secret\r\n", "secret"), (" \n", " ")):
            self.assertEqual(check_password(typed), taken)
        self.assertIn("control", self.refused("secret\n\n"))
        self.assertIn("empty", self.refused("\n"))

    def test_too_long_and_too_short(self) -> None:
        self.refused("")
        self.refused("x" * (LONGEST_PASSWORD + 1))
        # Bytes count, not characters.
        self.refused("ä" * LONGEST_PASSWORD)

    @given(st.text(min_size=1))
    def test_whatever_is_taken_is_one_line(self, password: str) -> None:
        try:
            taken = check_password(password)
        except Invalid as error:
            self.assertTrue(len(password) < 3 or password not in str(error))
        else:
            self.assertEqual(f"root:{taken}".encode().decode().splitlines(), [f"root:{taken}"])


class KeyTests(SynchronousTestCase):
    def refused(self, key: str) -> None:
        error = self.assertRaises(Invalid, check_key, key)
        self.assertTrue(not key or key not in str(error))

    def test_what_is_taken(self) -> None:
        keys = [openssh(ed25519.Ed25519PrivateKey.generate()), *(openssh(ec.generate_private_key(curve)) for curve in (
            ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1(),
        ))]  # fmt: skip
        for key in (*keys, SSH_KEY, f"{keys[0]} somebody @ some where", f"  {keys[0]}\n"):
            self.assertEqual(check_key(key), key.strip())

    def test_what_is_not(self) -> None:
        kind, data, _ = SSH_KEY.split(" ")
        for key in (
            "", "x", kind, f"{kind} ", f"{kind} AAAA", f"{kind} {data[:-3]}!", f"ssh-rsa {data}", f"ssh-dss {data}",
            f'command="reboot" {SSH_KEY}', f"{SSH_KEY}\n{SSH_KEY}", f"{SSH_KEY}\r{SSH_KEY}", f"{SSH_KEY}\x00", data,
            f"{SSH_KEY} {'x' * LONGEST_KEY}", f"{kind}\t{data}", "-----BEGIN OPENSSH PRIVATE SSH_KEY-----",
        ):  # fmt: skip
            self.refused(key)

    def test_data_that_ends_within_its_type(self) -> None:
        for raw in (b"", b"\0\0", struct.pack(">I", 11), struct.pack(">I", 11) + b"ssh-ed25519", struct.pack(">I", 1 << 31)):
            self.refused(f"ssh-ed25519 {base64.b64encode(raw).decode()}")
