"""What one boot of a webspace has done so far."""

from __future__ import annotations

from attrs import define

from webspaced.webspaces.patience import Patience


@define
class Course:
    """One boot: whether it did anything at all, and whether a start went well since LXD was last not ready for one."""

    patience: Patience
    acted: bool = False
    started: bool = False
    asked: bool = False
    """Whether LXD was asked for a start: that goes on, whether anybody waits for it or not."""
    doubted: bool = False
    """Whether it stopped after its start, and was given a moment to come back."""
    unfinished: bool = False
    """Whether it is for who creates the webspace."""
