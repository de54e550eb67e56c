"""The document and its page, as browsers and others fetch them."""

from __future__ import annotations

import hashlib
import re
from importlib.resources import files

import yaml

from tests.unit.http.served import ServedCase
from webspaced.http.manual import KINDS, PAGE, POLICY

ASSETS = sorted(f"/{name}" for name in KINDS if name.startswith("swagger/") and name != PAGE)
FOLDER = files("webspaced") / "static"


class FileTests(ServedCase):
    def test_the_document(self) -> None:
        answer = self.ask("GET", "/static/api.yaml")
        self.assertEqual((answer.status, answer.headers["content-type"]), (200, "application/yaml"))
        self.assertEqual(yaml.safe_load(answer.body)["info"]["title"], "webspaced")

    def test_the_page_and_all_that_it_loads(self) -> None:
        page = self.ask("GET", "/swagger")
        self.assertEqual((page.status, page.headers["content-type"]), (200, "text/html; charset=utf-8"))
        loads = re.findall(r'(?:href|src)="([^"]+)"', page.body.decode())
        self.assertEqual(len(loads), 4)
        self.assertEqual([self.ask("GET", name).status for name in loads], [200] * 4)

    def test_kinds(self) -> None:
        for path in ASSETS:
            answer = self.ask("GET", path)
            self.assertEqual((answer.status, answer.headers["content-type"].encode()), (200, KINDS[path[1:]]))
            self.assertEqual(answer.body, FOLDER.joinpath(path[1:]).read_bytes())

    def test_what_they_may_do(self) -> None:
        for path in ("/static/api.yaml", "/swagger", *ASSETS):
            headers = self.ask("GET", path).headers
            self.assertEqual((headers["content-security-policy"], headers["x-content-type-options"]), (POLICY, "nosniff"))
        self.assertIn("default-src 'none'", POLICY)
        self.assertNotIn("unsafe-eval", POLICY)
        self.assertNotRegex(POLICY, r"script-src[^;]*unsafe|\*|https?:")

    def test_a_copy_that_is_good_is_not_sent_again(self) -> None:
        for path in ("/static/api.yaml", "/swagger", *ASSETS):
            first = self.ask("GET", path)
            self.assertEqual(first.headers["cache-control"], "no-cache")
            again = self.ask("GET", path, headers={"If-None-Match": first.headers["etag"]})
            self.assertEqual((again.status, again.body, again.headers["etag"]), (304, b"", first.headers["etag"]))
            self.assertEqual(self.ask("GET", path, headers={"If-None-Match": '"other"'}).status, 200)

    def test_each_has_an_etag_of_its_own(self) -> None:
        tags = {self.ask("GET", path).headers["etag"] for path in ("/static/api.yaml", "/swagger", *ASSETS)}
        self.assertEqual(len(tags), len(ASSETS) + 2)

    def test_head(self) -> None:
        for path in ("/static/api.yaml", "/swagger", *ASSETS):
            whole, head = self.ask("GET", path), self.ask("HEAD", path)
            self.assertEqual((head.status, head.body), (200, b""))
            for name in ("content-length", "content-type", "etag"):
                self.assertEqual(head.headers[name], whole.headers[name])

    def test_other_methods(self) -> None:
        answer = self.ask("POST", "/static/api.yaml")
        self.assertEqual((answer.status, set(answer.headers["allow"].split(", "))), (405, {"GET", "HEAD"}))

    def test_nothing_else(self) -> None:
        around = ("", "..", "../api.yaml", "..%2fapi.yaml", "%2e%2e/api.yaml", "../../tap.py", "..%2f..%2ftap.py")
        paths = [f"/swagger/{name}" for name in ("README.md", "index.html", "swagger-ui-bundle.js/x", "NOTICE%00", *around)]
        more = [f"/static/{name}" for name in ("swagger/index.html", "swagger/LICENSE", "/etc/passwd", *around)]
        for path in ("/static", *more, *paths):
            self.assertEqual(self.ask("GET", path).status, 404, path)

    def test_the_operators_listener_has_none_of_it(self) -> None:
        for path in ("/static/api.yaml", "/swagger", *ASSETS):
            self.assertEqual(self.ask("GET", path, inside=True).status, 404, path)

    def test_what_is_somebody_elses_is_as_it_came(self) -> None:
        told = FOLDER.joinpath("swagger", "README.md").read_text(encoding="utf-8")
        sums = dict(re.findall(r"\| `(.+?)` \| `([0-9a-f]{64})` \|", told))
        theirs = {path.removeprefix("/swagger/") for path in ASSETS} - {"initializer.js"}
        self.assertEqual(set(sums), theirs)
        for name, digest in sums.items():
            self.assertEqual(hashlib.sha256(FOLDER.joinpath("swagger", name).read_bytes()).hexdigest(), digest, name)

    def test_tokens_are_not_kept(self) -> None:
        script = FOLDER.joinpath("swagger", "initializer.js").read_text(encoding="utf-8")
        self.assertIn("persistAuthorization: false", script)
        self.assertIn("validatorUrl: null", script)
