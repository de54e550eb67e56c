"""The words of admins in a profile of LXD's."""

from __future__ import annotations

from tests.unit.testing.simulated import SimulatedCase
from webspaced.errors import RemoteError
from webspaced.lxd.words import KEY, ProfileWords
from webspaced.testing.lxd.flavour import INCUS

PROFILE = "/profiles/webspaced-words-default-ws"


class WordsTests(SimulatedCase):
    def setUp(self) -> None:
        super().setUp()
        self.place = ProfileWords(self.client, "default", "ws-")

    def words(self) -> dict[int, str]:
        return dict(self.clock.result_of(self.place.words()))

    def keep(self, uid: int, text: str) -> None:
        self.clock.result_of(self.place.keep_word(uid, text))

    def test_none_are_kept_at_first(self) -> None:
        self.assertEqual(self.words(), {})

    def test_the_last_one_of_each_webspace_is_kept(self) -> None:
        for uid, text in ((1, "a"), (2, "b"), (1, "c")):
            self.keep(uid, text)
        self.assertEqual(self.words(), {1: "c", 2: "b"})

    def test_those_of_another_project_or_prefix_are_others(self) -> None:
        self.keep(1, "a")
        for other in (ProfileWords(self.client, "lab", "ws-"), ProfileWords(self.client, "default", "lab-")):
            self.assertEqual(dict(self.clock.result_of(other.words())), {})

    def test_what_somebody_else_keeps_there_is_left_alone(self) -> None:
        self.keep(1, "a")
        self.clock.result_of(self.client.send("PATCH", PROFILE, {"config": {"user.mine": "b", f"{KEY}x": "c"}}))
        self.keep(2, "b")
        self.assertEqual(self.words(), {1: "a", 2: "b"})
        config = self.clock.result_of(self.client.get(PROFILE)).metadata["config"]
        self.assertEqual((config["user.mine"], config[f"{KEY}x"]), ("b", "c"))

    def test_without_the_right_to_make_a_profile_it_says_so_and_goes_on(self) -> None:
        async def refused(*_: object, **__: object) -> object:
            raise RemoteError("not allowed", 403)

        self.patch(self.client, "send", refused)
        self.keep(1, "a")
        self.assertEqual(self.words(), {})


class IncusWordsTests(WordsTests):
    flavour = INCUS
