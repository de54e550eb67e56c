"""Helm and kubeconform for the tests of the chart: built once, at the versions that are pinned.

`tools/charts/programs.json` pins both; what is built is kept outside of the checkout.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from harness import go_modules, places

PINNED = places.CHECKOUT / "tools" / "charts" / "programs.json"


@dataclass(frozen=True)
class Programs:
    """Paths of the two."""

    helm: Path
    kubeconform: Path


def ensured() -> Programs:
    """Both programs; builds what is missing. Raises CannotGoOn with the reason when that cannot be."""
    folder = places.cache() / "charts" / hashlib.sha256(PINNED.read_bytes()).hexdigest()[:16]
    pins = {pinned["name"]: pinned for pinned in json.loads(PINNED.read_text(encoding="utf-8"))}
    with go_modules.alone(folder / "lock"):
        for name, pinned in pins.items():
            if not (folder / name).exists():
                go_modules.built(pinned, folder / name)
    return Programs(helm=folder / "helm", kubeconform=folder / "kubeconform")
