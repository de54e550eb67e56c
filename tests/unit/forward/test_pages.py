"""Pages: in the visitor's language, of the operator's files, and never with anything in them that somebody else wrote."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.waiting import Phase, Refusal
from webspaced.errors import Invalid
from webspaced.forward.pages import LARGEST, RELOADS, Pages, Reader, load_pages

PAGES = load_pages()
READER = Reader(languages="en", host="alice.example.org")
VOID = {"meta", "path", "link", "br", "img"}


class Read(HTMLParser):
    """What a browser sees: every element with its attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data if "style" not in self.open else ""


def split(response: bytes) -> tuple[dict[str, str], str]:
    head, _, body = response.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    assert status == "HTTP/1.1 503 Service Unavailable", status
    assert headers["Content-Length"] == str(len(body))
    return headers, body.decode()


def every(pages: Pages = PAGES, reader: Reader = READER) -> list[bytes]:
    waiting = [pages.waiting(reader, phase, 3.0) for phase in Phase]
    return waiting + [pages.refused(reader, refusal, "some reason", 7) for refusal in Refusal]


class ResponseTests(SynchronousTestCase):
    def test_nobody_keeps_or_finds_it(self) -> None:
        for response in every():
            headers, _ = split(response)
            self.assertEqual(headers["Cache-Control"], "no-store")
            self.assertEqual(headers["X-Robots-Tag"], "noindex")
            self.assertGreater(int(headers["Retry-After"]), 0)
            self.assertEqual(headers["Content-Type"], "text/html; charset=utf-8")

    def test_it_is_small_and_needs_nothing_from_elsewhere(self) -> None:
        for response in every():
            self.assertLess(len(response), 8192)
            headers, body = split(response)
            self.assertIsNone(re.search(r"<script|https?://|url\(|@import|\bon\w+=|style=", body))
            (style,) = re.findall("<style>(.*?)</style>", body, re.DOTALL)
            digest = b64encode(sha256(style.encode()).digest()).decode()
            self.assertIn(f"default-src 'none'; style-src 'sha256-{digest}';", headers["Content-Security-Policy"])

    def test_a_page_that_waits_asks_again_and_says_how_far_it_is(self) -> None:
        seen = []
        for place, phase in enumerate(Phase):
            headers, body = split(PAGES.waiting(READER, phase, 4.4))
            self.assertEqual((headers["Refresh"], headers["Retry-After"]), (str(RELOADS), str(RELOADS)))
            elements = Read(body).elements
            self.assertEqual([each["aria-current"] == "step" for tag, each in elements if tag == "li"].index(True), place)
            seen += [int(each["value"] or "") for tag, each in elements if tag == "progress"]
            self.assertIn("4 s.", body)
        self.assertEqual(sorted(seen), seen)

    def test_of_the_others_only_the_one_for_whom_there_is_no_place_does(self) -> None:
        refreshing = [each for each in Refusal if "Refresh" in split(PAGES.refused(READER, each, "", 7))[0]]
        self.assertEqual(refreshing, [Refusal.BUSY])

    def test_who_cannot_change_it_is_not_asked_to_try_again(self) -> None:
        for refusal in Refusal:
            _, body = split(PAGES.refused(READER, refusal, "", 7))
            self.assertEqual("Try again" in body, refusal not in (Refusal.STOPPED, Refusal.SUSPENDED))

    def test_it_can_be_read_aloud(self) -> None:
        for response in every(reader=Reader(languages="fr")):
            _, body = split(response)
            elements = Read(body).elements
            self.assertIn(("html", {"lang": "fr", "dir": "ltr"}), elements)
            self.assertIn("status", [each.get("role") for _, each in elements])
            self.assertTrue(all(each.get("aria-label") for tag, each in elements if tag == "progress"))
            self.assertEqual([tag for tag, _ in elements].count("h1"), 1)


class LanguageTests(SynchronousTestCase):
    def test_every_language_says_everything(self) -> None:
        self.assertLessEqual({"en", "de", "fr", "es"}, set(PAGES.texts))
        for language, texts in PAGES.texts.items():
            headers, body = split(PAGES.waiting(Reader(languages=language), Phase.STARTING, 1))
            self.assertEqual(headers["Content-Language"], language)
            self.assertNotIn("{", Read(body).text)
            if language != "en":
                same = [name for name, said in texts.items() if name and said == PAGES.texts["en"][name]]
                self.assertEqual(same, [], f"{language} has no words of its own there")

    def test_names_that_are_none_are_not_repeated(self) -> None:
        for host in ("", "<b>x</b>", "a b", "x" * 300, "a..b", "[::1]"):
            text = Read(split(PAGES.waiting(Reader(languages="de", host=host), Phase.QUEUED, 1))[1]).text
            self.assertIn("Diese Website wacht auf", text)
        self.assertIn("alice.example.org is waking up", split(PAGES.waiting(READER, Phase.QUEUED, 1))[1])

    @given(st.text(), st.text(), st.text())
    def test_whatever_somebody_says_is_text(self, reason: str, languages: str, host: str) -> None:
        plain = Read(split(PAGES.refused(READER, Refusal.SUSPENDED, "", 7))[1])
        odd = Read(split(PAGES.refused(Reader(languages=languages, host=host), Refusal.SUSPENDED, reason, 7))[1])
        self.assertEqual([tag for tag, _ in odd.elements], [tag for tag, _ in plain.elements])


class FolderTests(SynchronousTestCase):
    def folder(self, **files: str) -> Path:
        folder = Path(self.mktemp())
        folder.mkdir()
        for name, text in files.items():
            (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
        return folder

    def test_what_is_in_it_takes_the_place_of_what_there_is(self) -> None:
        esperanto = 'site = "ĉi tiu"\n[waiting]\nheading = "Vekiĝas"'
        pages = load_pages(self.folder(style__css="b { color: red }", eo__toml=esperanto))
        headers, body = split(pages.waiting(Reader(languages="eo"), Phase.QUEUED, 1))
        self.assertIn("<h1>Vekiĝas</h1>", body)
        self.assertIn("<style>b { color: red }</style>", body)
        self.assertIn("In the queue", body, "what it does not say is in English")
        self.assertEqual(headers["Content-Language"], "eo")

    def test_a_template_of_ones_own(self) -> None:
        pages = load_pages(self.folder(waiting__html="<title>$heading</title>$percent"))
        self.assertEqual(split(pages.waiting(READER, Phase.QUEUED, 1))[1], "<title>alice.example.org is waking up</title>4")

    def test_what_cannot_be_used_is_said_at_the_start(self) -> None:
        for files, said in (
            ({"waiting__html": "$nothing"}, "nothing"), ({"refused__html": "100 $ off"}, "template"),
            ({"en__toml": "="}, "en.toml"), ({"en__toml": "[waiting]\nheading = 1"}, "waiting.heading"),
            ({"en__toml": "[waiting]\nzzz = 'x'"}, "waiting.zzz"), ({"en__toml": "[zzz]\na = 'x'"}, "zzz.a"),
            ({"english_words__toml": ""}, "english_words"), ({"style__css": "x" * LARGEST}, "larger"),
        ):  # fmt: skip
            error = self.assertRaises(Invalid, load_pages, self.folder(**files))
            self.assertIn(said, str(error))
        self.assertIn("nowhere", str(self.assertRaises(Invalid, load_pages, Path("/nowhere"))))
