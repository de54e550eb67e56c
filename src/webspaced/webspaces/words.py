"""What admins said of webspaces, beside these: restoring an older snapshot undoes no suspension, and revives none."""

from __future__ import annotations

from collections.abc import Collection

from attrs import evolve
from twisted.logger import Logger

from webspaced.core.desired import AUTO, Desired, Wish
from webspaced.core.words import Word, load_word, wanted
from webspaced.errors import NotFound, RemoteError
from webspaced.interfaces import IWords
from webspaced.webspaces.observed import Observed


class Words:
    """The last words of admins, as far as a webspace was ever suspended."""

    log = Logger()

    def __init__(self, place: IWords) -> None:
        self._place = place
        self._words: dict[int, Word] = {}
        self._trouble = ""

    async def load(self) -> Collection[int]:
        """Read all, and give the webspaces of which another one is known now.

        Another daemon may have led meanwhile. Where LXD does not let us read them, those that are known stay.
        """
        try:
            texts = await self._place.words()
        except (NotFound, RemoteError) as error:
            if str(error) != self._trouble:
                self._trouble = str(error)
                self.log.warn(
                    "what admins said of webspaces cannot be read: {error}",
                    event="lxd.words-unreadable",
                    error=self._trouble,
                )
            return ()
        self._trouble = ""
        read = {uid: word for uid, text in texts.items() if (word := load_word(text)) is not None}
        before, self._words = self._words, {**self._words, **read}
        return [uid for uid, word in self._words.items() if before.get(uid) != word]

    def judged(self, observed: Observed) -> Observed:
        """Give a webspace as an admin's last word has it, whatever its document says."""
        word = self._of(observed)
        if word is None:
            return observed
        desired = wanted(word.desired, observed.webspace.desired)
        if desired == observed.webspace.desired:
            return observed
        return evolve(observed, webspace=observed.webspace.with_desired(desired), outdated=True)

    def lacks(self, observed: Observed) -> bool:
        """Whether a webspace is suspended by its document alone."""
        return observed.webspace.desired.wish is Wish.SUSPENDED and self._of(observed) is None

    async def say(self, observed: Observed, desired: Desired) -> None:
        """Keep what an admin says of a webspace; nothing, where it neither is nor was suspended."""
        suspends = desired.wish is Wish.SUSPENDED
        if suspends or self._of(observed) is not None or observed.webspace.desired.wish is Wish.SUSPENDED:
            word = Word(born=observed.instance.created_at, desired=desired if suspends else AUTO)
            await self._place.keep_word(observed.uid, word.dump())
            self._words[observed.uid] = word

    def _of(self, observed: Observed) -> Word | None:
        word = self._words.get(observed.uid)
        return word if word is not None and word.born == observed.instance.created_at else None
