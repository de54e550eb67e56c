"""The settings of the image server."""

# ruff: noqa: RUF009 - attrs fields, declared by functions that ruff does not know

from __future__ import annotations

from typing import Final

import attrs

from webspaced.settings import Address, Schema
from webspaced.settings.service import ServiceSettings, operators_address


@attrs.frozen(kw_only=True)
class Settings(ServiceSettings):
    """The settings of webspaced-images."""

    operators_address: Address = operators_address(9095)


SCHEMA: Final = Schema(Settings, name="webspaced-images", prefix="WSI_")
