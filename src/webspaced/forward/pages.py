"""The pages for visitors who wait before a browser, or wait in vain: made of templates and texts in a folder.

A page is one HTML document without script, and needs nothing from elsewhere: what a browser may load for it is nothing
(www.w3.org/TR/CSP3). Everything that is put into a template is escaped, whoever said it.
"""

from __future__ import annotations

import re
import tomllib
from base64 import b64encode
from collections.abc import Iterator, Mapping
from hashlib import sha256
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from attrs import frozen

import webspaced
from webspaced.core.waiting import Phase, Refusal, preferred, progress
from webspaced.errors import Invalid

DEFAULT_LANGUAGE = "en"
RELOADS = 2
"""Seconds after which a page that waits asks again; it is held then, so that what is ready is shown at once."""
LARGEST = 65536
"""Bytes of a page: it is sent in one piece."""
_HOST = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63}){0,20}", re.IGNORECASE)
_STYLES = re.compile("<style>(.*?)</style>", re.DOTALL)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8})*")
_WORDS = {
    "": ("direction", "site"),
    "waiting": ("heading", "text", "progress", *Phase, "elapsed", "reloads"),
    "refused": ("retry", "reloads"),
    **{refusal.value: ("heading", "text") for refusal in Refusal},
}
"""What each language says, by sections."""

Texts = Mapping[str, Mapping[str, str]]


@frozen(kw_only=True)
class Reader:
    """Who reads a page: the header ``Accept-Language``, and the host that was asked for, as they came."""

    languages: str = ""
    host: str = ""


@frozen
class Pages:
    """Renders pages.

    ``texts``: by language and section. ``templates``: ``waiting`` and ``refused``. ``style`` stands in both.
    """

    texts: Mapping[str, Texts]
    templates: Mapping[str, Template]
    style: str

    def waiting(self, reader: Reader, phase: Phase, seconds: float) -> bytes:
        """Give the whole HTTP response for who waits.

        :param seconds: for which the boot has been waited for.
        """
        language, texts = self._texts(reader)
        said = texts["waiting"]
        reached = list(Phase).index(phase)
        states = {
            f"{each.value}_is": "now" if each is phase else "done" if place < reached else "next"
            for place, each in enumerate(Phase)
        }
        current = {f"{each.value}_now": "step" if each is phase else "false" for each in Phase}
        told = {"percent": str(progress(phase, seconds)), "seconds": str(max(1, round(seconds)))}
        words = {**said, **states, **current, **told, **self._headed(said, texts, reader)}
        return self._response("waiting", language, texts, words, RELOADS, refresh=True)

    def refused(self, reader: Reader, refusal: Refusal, reason: str, retry_after: int) -> bytes:
        """Give the whole HTTP response for who waits in vain.

        :param reason: in words for everybody, perhaps none.
        :param retry_after: seconds; where it is only a matter of time the page reloads itself then.
        """
        language, texts = self._texts(reader)
        refresh = refusal is Refusal.BUSY
        note = texts["refused"]["reloads"] if refresh else ""
        # What an admin wrote is in the language of whoever wrote it; what else there is to say is in English.
        reason_language = "" if refusal is Refusal.SUSPENDED else DEFAULT_LANGUAGE
        retry = "" if refusal in (Refusal.STOPPED, Refusal.SUSPENDED) else texts["refused"]["retry"]
        words = {"retry": retry, "reason": reason, "reason_language": reason_language, "note": note}
        words |= self._headed(texts[refusal.value], texts, reader)
        return self._response("refused", language, texts, words, retry_after, refresh=refresh)

    def _texts(self, reader: Reader) -> tuple[str, Texts]:
        language = preferred(reader.languages, self.texts, DEFAULT_LANGUAGE)
        return language, self.texts[language]

    def _headed(self, said: Mapping[str, str], texts: Texts, reader: Reader) -> Mapping[str, str]:
        if _HOST.fullmatch(reader.host):
            return {name: said[name].replace("{host}", reader.host) for name in ("heading", "text")}
        headed = {name: said[name].replace("{host}", texts[""]["site"]) for name in ("heading", "text")}
        return {name: text[:1].upper() + text[1:] for name, text in headed.items()}

    def _response(
        self, name: str, language: str, texts: Texts, words: Mapping[str, str], after: int, *, refresh: bool
    ) -> bytes:
        escaped = {key: escape(word) for key, word in words.items()}
        known = {"language": language, "direction": escape(texts[""]["direction"]), "style": self.style}
        page = self.templates[name].substitute(escaped | known)
        body = page.encode()
        head = [
            "HTTP/1.1 503 Service Unavailable",
            "Content-Type: text/html; charset=utf-8",
            f"Content-Length: {len(body)}",
            f"Content-Language: {language}",
            f"Retry-After: {after}",
            "Cache-Control: no-store",
            "X-Robots-Tag: noindex",
            f"Content-Security-Policy: {_policy(page)}",
            "X-Content-Type-Options: nosniff",
            "Referrer-Policy: no-referrer",
            "Connection: close",
            *([f"Refresh: {after}"] if refresh else []),
        ]
        return "\r\n".join([*head, "", ""]).encode() + body


def _policy(page: str) -> str:
    """Give what a browser may load for a page: nothing but what is in it, and no script at all."""
    hashes = [f"'sha256-{b64encode(sha256(style.encode()).digest()).decode()}'" for style in _STYLES.findall(page)]
    styles = " ".join(hashes) or "'none'"
    return f"default-src 'none'; style-src {styles}; img-src data:; font-src data:; base-uri 'none'; form-action 'none'"


def load_pages(folder: Path | None = None) -> Pages:
    """Give the pages, with what a folder of the operator's has instead: any of the files, and further languages.

    :raises Invalid: a file there cannot be read, or a page cannot be made of it.
    """
    own = Path(str(files(webspaced) / "forward" / "templates"))
    read = {path.name: path for each in (own, folder) if each is not None for path in _entries(each)}
    languages = [path.stem for path in read.values() if path.suffix == ".toml"]
    fallback = _load_texts(own / f"{DEFAULT_LANGUAGE}.toml")
    pages = Pages(
        {language: _filled(_load_texts(read[f"{language}.toml"]), fallback) for language in languages},
        {name: Template(_text_of(read[f"{name}.html"])) for name in ("waiting", "refused")},
        _text_of(read["style.css"]),
    )
    _check(pages)
    return pages


def _entries(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(folder.iterdir())
    except OSError as error:
        raise Invalid(f"the folder of pages cannot be read: {error}") from error


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{path} cannot be read: {error}") from error


def _load_texts(path: Path) -> Texts:
    if not _LANGUAGE.fullmatch(path.stem):
        raise Invalid(f"{path}: {path.stem} is no language's tag, such as en or pt-br")
    try:
        document: dict[str, Any] = tomllib.loads(_text_of(path))
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"{path}: {error}") from error
    sections = {"": {name: word for name, word in document.items() if not isinstance(word, dict)}}
    sections |= {name: section for name, section in document.items() if isinstance(section, dict)}
    for name, section in sections.items():
        unknown = sorted(set(section) - set(_WORDS.get(name, ())))
        wrong = unknown or [key for key, word in section.items() if not isinstance(word, str)]
        if wrong:
            raise Invalid(f"{path}: {'.'.join(filter(None, (name, str(wrong[0]))))} is no text of a page")
    return sections


def _filled(texts: Texts, fallback: Texts) -> Texts:
    return {section: {**fallback[section], **texts.get(section, {})} for section in _WORDS}


def _check(pages: Pages) -> None:
    """Render every page once: what cannot be is found at the start."""
    for language in pages.texts:
        reader = Reader(languages=language, host="a" * 63)
        try:
            made = [pages.waiting(reader, phase, 60.0) for phase in Phase]
            made += [pages.refused(reader, refusal, "x" * 500, 60) for refusal in Refusal]
        except (KeyError, ValueError) as error:
            raise Invalid(f"a page cannot be made, because of {error} in a template") from error
        if max(map(len, made)) > LARGEST:
            raise Invalid(f"a page is larger than {LARGEST} bytes")
