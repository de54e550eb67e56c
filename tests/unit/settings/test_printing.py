"""The pages of a service beside the daemon."""

# ruff: noqa: RUF009 - attrs fields, declared by functions that ruff does not know

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from webspaced.settings import Address, Schema
from webspaced.settings.printing import Pages
from webspaced.settings.service import ServiceSettings, operators_address


@attrs.frozen(kw_only=True)
class SomeSettings(ServiceSettings):
    """The settings of some service."""

    operators_address: Address = operators_address(1234)


class PagesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.pages = Pages.of(Schema(SomeSettings, name="some", prefix="SOME_"), "some.settings")

    def test_sample(self) -> None:
        sample = self.pages.sample()
        self.assertTrue(sample.startswith("# The configuration of some."))
        self.assertIn("`python -m some.settings sample`", sample)
        self.assertIn("#operators_address: 127.0.0.1:1234\n", sample)
        self.assertLessEqual(max(map(len, sample.splitlines())), 100)

    def test_page(self) -> None:
        page = self.pages.markdown()
        self.assertIn("`some.yaml` in the working directory, else `/run/config/some.yaml`", page)
        self.assertIn("| `operators_address`<br>`SOME_OPERATORS_ADDRESS` | address | `127.0.0.1:1234` |", page)
