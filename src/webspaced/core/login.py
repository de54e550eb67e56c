"""What lets a member in: root's password and the account's SSH key, checked before anything is made of them."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata

from webspaced.errors import Invalid

LONGEST_PASSWORD = 256
"""Bytes. ``chpasswd`` of some systems cuts or refuses longer lines; hashes gain nothing from more."""
LONGEST_KEY = 16 * 1024
"""Bytes: a comfortable RSA key of 16384 bits has about 2,800, a certificate more."""

_KEY_TYPES = frozenset({
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
})
"""Those that today's OpenSSH takes; DSA it no longer does."""
_BASE64 = re.compile("[A-Za-z0-9+/]+={0,2}")


def check_password(password: str) -> str:
    """Give a password that ``chpasswd`` takes for what it is: its input is lines of ``name:password``.

    Colons are fine: only the first one of a line counts. One line break at the end is no part of it: programs that read a
    password from a terminal or a file send it along.

    :raises Invalid: it is empty, too long, or would not stay on its line; the text never holds the password.
    """
    if password.endswith("\n"):
        password = password[:-1].removesuffix("\r")
    if not password:
        message = "the password is empty"
        raise Invalid(message)
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in password):
        message = "the password holds control characters"
        raise Invalid(message)
    if len(password.encode()) > LONGEST_PASSWORD:
        message = f"the password is longer than {LONGEST_PASSWORD} bytes"
        raise Invalid(message)
    return password


def check_key(key: str) -> str:
    """Give an OpenSSH public key as one line without its end.

    Options before the type are refused: IAM holds keys, and what a key may do is not for it to say.

    :raises Invalid: it is not one line of a type that OpenSSH takes, with data that says the same type.
    """
    line = key.strip()
    kind, _, rest = line.partition(" ")
    data, _, _comment = rest.strip().partition(" ")
    if not _is_line(line) or kind not in _KEY_TYPES or _type_inside(data) != kind:
        message = "the SSH key of the account is not one line of an OpenSSH public key"
        raise Invalid(message)
    return line


def _is_line(text: str) -> bool:
    whole = all(unicodedata.category(each) not in ("Cc", "Cs", "Zl", "Zp") for each in text)
    return whole and len(text.encode()) <= LONGEST_KEY


def _type_inside(data: str) -> str:
    """Give the type that a key's data names: a length in four bytes, then so many (RFC 4253, section 6.6)."""
    if not _BASE64.fullmatch(data):
        return ""
    try:
        raw = base64.b64decode(data, validate=True)
    except (ValueError, binascii.Error):
        return ""
    length = int.from_bytes(raw[:4], "big")
    return raw[4 : 4 + length].decode("ascii", "replace") if len(raw) > 4 + length else ""
