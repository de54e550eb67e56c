"""Admins' words on webspaces as they are kept beside them: restoring a webspace restores its document, and not these."""

from __future__ import annotations

import json
from typing import Any

from attrs import frozen

from webspaced.core.desired import AUTO, Desired, Wish, load_desired
from webspaced.core.json_text import parse as parse_json
from webspaced.errors import Invalid


@frozen(kw_only=True)
class Word:
    """What an admin said last: a suspension, or ``AUTO`` that there is none any more.

    ``born`` is LXD's time of the instance's creation, which no restore changes: of a new webspace the word says nothing.
    """

    born: str
    desired: Desired = AUTO

    def dump(self) -> str:
        """Give the text to keep."""
        return json.dumps({"born": self.born, **self.desired.to_json()}, separators=(",", ":"))


def load_word(text: str) -> Word | None:
    """Read what :meth:`Word.dump` gave; ``None`` if it is nothing of the kind."""
    try:
        document: Any = parse_json(text)
        return Word(born=document["born"], desired=load_desired(document))
    except (ValueError, KeyError, TypeError, Invalid):
        return None


def wanted(kept: Desired, documented: Desired) -> Desired:
    """Give what is wanted, by an admin's last word and by the document, which may be older.

    Only admins suspend and give back, so of that the document can say nothing new; what its member wants is in it alone.
    """
    if kept.wish is Wish.SUSPENDED:
        return kept
    return AUTO if documented.wish is Wish.SUSPENDED else documented
