"""Where things lie."""

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
VENV = CHECKOUT / ".venv"
TOX = CHECKOUT / ".tox"
TOX_RUNNER = TOX / "runner"
RUN = CHECKOUT / "run"
RUN_TEST = CHECKOUT / "run-test"


def cache() -> Path:
    """Where is kept, for all checkouts, what takes long to make."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "webspaced"


def private_folder(path: Path) -> Path:
    """A folder that only its owner may enter."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step, never readable by others, never half written."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    temporary.replace(path)
