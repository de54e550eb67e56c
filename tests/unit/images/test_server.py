"""The image server as clients see it, over a release API in memory."""

from __future__ import annotations

import base64
import gzip
import json
import os
import shutil
from typing import Any

from twisted.trial.unittest import SkipTest
from twisted.web.client import PartialDownloadError, ResponseFailed, readBody

from tests.unit.images.serving import HERE, REPOSITORY, ServingCase, build, metadata, sha256
from webspaced.images.deltas import PROGRAM

DOCUMENTS = f"/{REPOSITORY}/streams/v1"
FILES = f"/{REPOSITORY}/images/docker/amd64/v1.0.0"
ROOT = b"root" * 1000


class OldSchemeTests(ServingCase):
    """What OctoLXD's clients know."""

    def setUp(self) -> None:
        super().setUp()
        self.api.add(REPOSITORY, "docker/v1.0.0", {**build(), **build(b"arm", arch="arm64")})
        self.serve()

    def test_index(self) -> None:
        index = json.loads(self.get(f"{DOCUMENTS}/index.json"))
        self.assertEqual(index["index"]["images"]["products"], ["docker:amd64", "docker:arm64"])
        self.assertEqual(index["index"]["images"]["path"], "streams/v1/images.json")

    def test_fingerprints(self) -> None:
        (version,) = self.products()["docker:amd64"]["versions"].values()
        self.assertEqual(version["items"]["lxd.tar.xz"]["combined_squashfs_sha256"], sha256(metadata() + ROOT))
        self.assertEqual(version["items"]["rootfs.squashfs"]["sha256"], sha256(ROOT))

    def test_files(self) -> None:
        self.assertEqual(self.get(f"{FILES}/lxd.tar.xz"), metadata())
        self.assertEqual(self.get(f"{FILES}/rootfs.squashfs"), ROOT)
        self.assertEqual(self.get(f"/{REPOSITORY}/images/docker/arm64/v1.0.0/rootfs.squashfs"), b"arm")

    def test_health(self) -> None:
        self.assertEqual(self.ask("/health")[0], 204)

    def test_errors_are_problem_documents_with_a_message(self) -> None:
        for path in ("/nobody/nothing/streams/v1/index.json", f"{FILES}/other", f"{DOCUMENTS}/other.json", "/x"):
            status, headers, body = self.ask(path)
            self.assertEqual((status, headers["content-type"]), (404, "application/problem+json"), path)
            self.assertTrue(json.loads(body)["message"])

    def test_in_whichever_case(self) -> None:
        self.get("/NETSOC/LXD-Images/streams/v1/index.json")


class HttpTests(ServingCase):
    def setUp(self) -> None:
        super().setUp()
        self.api.add(REPOSITORY, "docker/v1.0.0", build())
        self.serve()

    def test_head(self) -> None:
        for path, length in ((f"{FILES}/rootfs.squashfs", "4000"), (f"{DOCUMENTS}/index.json", None)):
            status, headers, body = self.ask(path, "HEAD")
            self.assertEqual((status, body), (200, b""))
            self.assertEqual(headers["content-length"], length or str(len(self.get(path))))

    def test_ranges(self) -> None:
        for asked, said, content in (
            ("bytes=0-9", "bytes 0-9/4000", ROOT[:10]),
            ("bytes=3990-", "bytes 3990-3999/4000", ROOT[3990:]),
            ("bytes=-5", "bytes 3995-3999/4000", ROOT[-5:]),
            ("bytes=3999-9999", "bytes 3999-3999/4000", ROOT[-1:]),
        ):
            status, headers, body = self.ask(f"{FILES}/rootfs.squashfs", range=asked)
            self.assertEqual((status, headers["content-range"], body), (206, said, content), asked)

    def test_ranges_that_are_none(self) -> None:
        for asked in ("bytes=5-2", "bytes=a-b", "bytes=-", "lines=1-2", "bytes=0-1,3-4"):
            self.assertEqual(self.ask(f"{FILES}/rootfs.squashfs", range=asked)[0], 200, asked)
        status, headers, _ = self.ask(f"{FILES}/rootfs.squashfs", range="bytes=4000-")
        self.assertEqual((status, headers["content-range"]), (416, "bytes */4000"))

    def test_a_part_of_another_file_is_not_continued(self) -> None:
        path = f"{FILES}/rootfs.squashfs"
        tag = self.ask(path)[1]["etag"]
        self.assertEqual(self.ask(path, range="bytes=1-", if_range=tag)[0], 206)
        self.assertEqual(self.ask(path, range="bytes=1-", if_range='"other"')[0], 200)

    def test_etags(self) -> None:
        for path in (f"{FILES}/rootfs.squashfs", f"{DOCUMENTS}/images.json"):
            tag = self.ask(path)[1]["etag"]
            self.assertEqual(self.ask(path, if_none_match=tag)[0], 304)
            self.assertEqual(self.ask(path, if_none_match='"other"')[0], 200)

    def test_documents_by_gzip(self) -> None:
        status, headers, body = self.ask(f"{DOCUMENTS}/images.json", accept_encoding="gzip")
        self.assertEqual((status, headers["content-encoding"], headers["vary"]), (200, "gzip", "accept-encoding"))
        self.assertEqual(gzip.decompress(body), self.get(f"{DOCUMENTS}/images.json"))
        self.assertNotIn("content-encoding", self.ask(f"{FILES}/rootfs.squashfs", accept_encoding="gzip")[1])

    def test_nothing_is_written(self) -> None:
        for method in ("POST", "PUT", "DELETE"):
            status, headers, _ = self.ask(f"{DOCUMENTS}/index.json", method)
            self.assertEqual((status, headers["allow"]), (405, "GET, HEAD"))


class PageTests(ServingCase):
    def setUp(self) -> None:
        super().setUp()
        self.api.add(REPOSITORY, "docker/v1.0.0", build())
        self.api.add(REPOSITORY, "docker/v1.1.0", {**build(), "manifest.yaml": b"description: <script>alert(1)</script>"})

    def test_commands_to_copy(self) -> None:
        self.serve(WSI_HTTP_URL="https://images.example.org")
        _, headers, body = self.ask(f"/{REPOSITORY}/")
        page = body.decode()
        for client in ("lxc", "incus"):
            url = f"https://images.example.org/{REPOSITORY}"
            self.assertIn(f"{client} remote add lxd-images {url} --protocol=simplestreams", page)
            self.assertIn(f"{client} launch lxd-images:docker", page)
        self.assertIn("default-src 'none'", headers["content-security-policy"])
        self.assertNotIn("<script", page)
        self.assertIn("v1.1.0<br>v1.0.0", page)

    def test_overview(self) -> None:
        self.serve()
        self.assertIn(f'<a href="/{REPOSITORY}/">', self.get("/").decode())

    def test_a_host_that_is_none(self) -> None:
        self.serve()
        self.assertNotIn(b"<b>", self.get(f"/{REPOSITORY}/", host="<b>x"))

    def test_a_stream_with_a_password_is_not_named(self) -> None:
        self.serve(WSI_HTTP_ACCESS="{netsoc/lxd-images: {alice: secret}}")
        self.assertNotIn(REPOSITORY, self.get("/").decode())


class AccessTests(ServingCase):
    def setUp(self) -> None:
        super().setUp()
        self.api.add(REPOSITORY, "docker/v1.0.0", build())
        self.api.add("netsoc/open", "docker/v1.0.0", build())

    def basic(self, name: str, password: str) -> str:
        return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()

    def test_a_stream_of_its_own_password(self) -> None:
        both = f"{REPOSITORY},netsoc/open"
        self.serve(WSI_HTTP_ACCESS=f"{{{REPOSITORY}: {{alice: secret}}}}", WSI_RELEASES_REPOSITORIES=both)
        for path in (f"{DOCUMENTS}/index.json", f"{FILES}/rootfs.squashfs", f"/{REPOSITORY}/", DOCUMENTS.upper()):
            status, headers, _ = self.ask(path)
            self.assertEqual((status, headers["www-authenticate"][:5]), (401, "Basic"), path)
        for name, password in (("alice", "wrong"), ("bob", "secret"), ("bob", ""), ("", "")):
            self.assertEqual(self.ask(f"{DOCUMENTS}/index.json", authorization=self.basic(name, password))[0], 401)
        self.get(f"{DOCUMENTS}/index.json", authorization=self.basic("alice", "secret"))
        self.get("/netsoc/open/streams/v1/index.json")

    def test_all_others(self) -> None:
        self.serve(WSI_HTTP_ACCESS="{'*': {alice: secret}}")
        self.assertEqual(self.ask(f"{DOCUMENTS}/index.json")[0], 401)


class AllowedTests(ServingCase):
    def setUp(self) -> None:
        super().setUp()
        for repository in ("netsoc/one", "netsoc/two", "other/one"):
            self.api.add(repository, "docker/v1.0.0", build())

    def test_no_open_proxy(self) -> None:
        self.serve(WSI_RELEASES_REPOSITORIES="netsoc/one")
        before = len(self.api.asked)
        for name in ("netsoc/two", "other/one"):
            self.assertEqual(self.ask(f"/{name}/streams/v1/index.json")[0], 404)
        self.assertEqual(len(self.api.asked), before)

    def test_all_of_an_owner(self) -> None:
        self.serve(WSI_RELEASES_REPOSITORIES="netsoc/*")
        self.get("/netsoc/one/streams/v1/index.json")
        self.get("/netsoc/two/images/docker/amd64/v1.0.0/rootfs.squashfs")
        self.assertEqual(self.ask("/other/one/streams/v1/index.json")[0], 404)

    def test_a_name_that_is_none_is_asked_for_once(self) -> None:
        self.serve(WSI_RELEASES_REPOSITORIES="netsoc/*")
        for _ in range(3):
            self.assertEqual(self.ask("/netsoc/none/streams/v1/index.json")[0], 404)
        self.assertEqual(len(self.api.asked), 1)

    def test_made_up_names_do_not_use_up_the_limit(self) -> None:
        self.serve(WSI_RELEASES_REPOSITORIES="netsoc/*")
        for number in range(50):
            self.ask(f"/netsoc/n{number}/streams/v1/index.json")
        self.assertEqual(len(self.api.asked), 10)


class IntakeTests(ServingCase):
    """What is listed of releases."""

    def test_incomplete_ones_are_invisible_per_architecture(self) -> None:
        release = self.api.add(REPOSITORY, "docker/v1.0.0", {**build(), **build(b"arm", arch="arm64")})
        (late,) = (each for each in release.assets if each.name == "rootfs.arm64.squashfs")
        late.arrived = False
        self.serve()
        self.assertEqual(list(self.products()), ["docker:amd64"])
        self.assertEqual(self.kinds(), {"docker/v1.0.0 (arm64)": "incomplete"})
        late.arrived = True
        self.advance(300)
        self.assertEqual(list(self.products()), ["docker:amd64", "docker:arm64"])

    def test_drafts_are_not_there(self) -> None:
        self.api.token = "t0ken"
        self.api.add(REPOSITORY, "docker/v1.0.0", build(), draft=True)
        self.serve(WSI_RELEASES_TOKEN="t0ken")
        self.assertEqual(self.products(), {})

    def test_another_hash_hides_it_and_is_a_condition(self) -> None:
        wrong = {**build(b"new"), "combined.amd64.sha256": b"0" * 64}
        self.api.add(REPOSITORY, "docker/v1.0.0", build())
        self.api.add(REPOSITORY, "docker/v1.1.0", wrong)
        self.serve()
        self.assertEqual(self.versions(), ["v1.0.0"])
        self.assertEqual(self.kinds(), {"docker/v1.1.0 (amd64)": "differs"})
        self.assertIn(b"docker/v1.1.0 (amd64)", self.get(f"/{REPOSITORY}/"))
        figures = self.ask("/metrics", base="http://127.0.0.1:9095")[2].decode()
        self.assertIn(f'webspaced_images_conditions{{kind="differs",stream="{REPOSITORY}"}} 1.0', figures)
        self.assertIn(f'webspaced_images_builds{{stream="{REPOSITORY}"}} 1.0', figures)

    def test_an_error_page_is_no_hash(self) -> None:
        self.api.add(REPOSITORY, "docker/v1.0.0", {**build(), "rootfs.amd64.squashfs.sha256": b"<html>" * 20})
        self.serve()
        self.assertEqual(self.kinds(), {"docker/v1.0.0 (amd64)": "differs"})

    def test_a_mended_hash_is_listed(self) -> None:
        files = build()
        release = self.api.add(REPOSITORY, "docker/v1.0.0", {**files, "combined.amd64.sha256": b"0" * 64})
        self.serve()
        self.api.replace(release, "combined.amd64.sha256", files["combined.amd64.sha256"])
        self.advance(300)
        self.assertEqual((self.versions(), self.kinds()), (["v1.0.0"], {}))

    def test_each_file_is_read_once(self) -> None:
        self.api.add(REPOSITORY, "docker/v1.0.0", build())
        self.serve()
        files = [each for each in self.api.paths() if each.startswith("/signed")]
        self.assertEqual(len(files), 5)
        self.api.add(REPOSITORY, "docker/v1.1.0", build(b"new"))
        self.advance(300)
        self.stop()
        self.serve()
        self.get(f"{FILES}/rootfs.squashfs")
        files = [each for each in self.api.paths() if each.startswith("/signed")]
        self.assertEqual(len(files), 10)

    def test_without_published_hashes(self) -> None:
        self.api.digests = False
        self.api.add(REPOSITORY, "docker/v1.0.0", build(sums=False))
        self.serve()
        self.assertEqual(self.versions(), ["v1.0.0"])

    def test_metadata_that_is_none(self) -> None:
        for content in (b"junk", metadata("- a"), metadata("a: [")):
            self.api.add(REPOSITORY, f"docker/v1.{len(content)}.0", {**build(sums=False), "lxd.amd64.tar.xz": content})
        self.api.add(REPOSITORY, "docker/v1.0.0", build())
        self.serve()
        self.assertEqual(self.versions(), ["v1.0.0"])
        self.assertEqual(set(self.kinds().values()), {"unreadable"})

    def test_older_versions_than_are_listed_are_not_fetched(self) -> None:
        for number in range(5):
            self.api.add(REPOSITORY, f"docker/v1.{number}.0", build(sums=False))
        self.serve(WSI_IMAGES_VERSIONS="2")
        self.assertEqual(self.versions(), ["v1.4.0", "v1.3.0"])
        self.assertEqual(len([each for each in self.api.paths() if each.startswith("/signed")]), 4)

    def test_pins_and_withdrawals(self) -> None:
        for number in (1, 2, 3):
            self.api.add(REPOSITORY, f"docker/v{number}.0.0", build(sums=False))
        pins = f"{{'{REPOSITORY}:docker': 2.0.0}}"
        self.serve(WSI_IMAGES_PINS=pins, WSI_IMAGES_WITHDRAWN=f"{REPOSITORY}:docker/v1.0.0")
        self.assertEqual(self.versions(), ["v2.0.0"])

    def test_settings_say_more(self) -> None:
        self.api.add(REPOSITORY, "docker/v1.0.0", build())
        said = "{aliases: [docker/latest], requirements: {nesting: true}, end_of_life: 2030-01-01}"
        self.serve(WSI_IMAGES_MANIFESTS=f"{{'{REPOSITORY}:docker': {said}}}")
        product = self.products()["docker:amd64"]
        self.assertEqual(product["aliases"], "docker,docker/latest")
        self.assertEqual(product["requirements"], product["lxd_requirements"])

    def test_prereleases_are_edge(self) -> None:
        self.api.add(REPOSITORY, "docker/v1.0.0", build())
        self.api.add(REPOSITORY, "docker/v2.0.0", build(b"new"), prerelease=True)
        self.serve()
        self.assertEqual(self.versions(), ["v1.0.0"])
        self.assertEqual(self.versions("docker:edge:amd64"), ["v2.0.0", "v1.0.0"])


class GenerationTests(ServingCase):
    def test_a_file_outlives_its_listing_by_two_hours(self) -> None:
        self.api.add(REPOSITORY, "docker/v1.0.0", build())
        self.serve()
        self.api.repositories[REPOSITORY].clear()
        self.advance(300)
        self.assertEqual(self.products(), {})
        self.advance(2 * 3600 - 10)
        self.assertEqual(self.get(f"{FILES}/rootfs.squashfs"), ROOT)
        self.advance(20)
        self.assertEqual(self.ask(f"{FILES}/rootfs.squashfs")[0], 404)

    def test_also_over_a_restart(self) -> None:
        self.api.add(REPOSITORY, "docker/v1.0.0", build())
        self.serve()
        self.api.repositories[REPOSITORY].clear()
        self.advance(300)
        self.stop()
        self.serve()
        self.assertEqual(self.get(f"{FILES}/rootfs.squashfs"), ROOT)

    def test_upstream_away_the_last_one_goes_on_and_its_age_is_told(self) -> None:
        self.api.add(REPOSITORY, "docker/v1.0.0", build())
        self.serve()
        self.stop()
        self.api.down = True
        self.advance(1000)
        self.serve()
        self.assertEqual(self.versions(), ["v1.0.0"])
        self.assertEqual(self.get(f"{FILES}/rootfs.squashfs"), ROOT)
        figures = self.ask("/metrics", base="http://127.0.0.1:9095")[2].decode()
        self.assertIn(f'webspaced_images_snapshot_age_seconds{{stream="{REPOSITORY}"}} 1000.0', figures)
        self.assertIn(f'webspaced_images_source_up{{stream="{REPOSITORY}"}} 0.0', figures)
        self.assertEqual(self.ask("/ready", base="http://127.0.0.1:9095")[0], 204)

    def test_a_restart_knows_when_it_was_asked_the_last_time(self) -> None:
        self.api.add(REPOSITORY, "docker/v1.0.0", build())
        self.serve()
        for _ in range(4):
            self.advance(300)
        self.stop()
        self.api.down = True
        self.serve()
        (stream,) = (each for each in self.server.streams.all() if each.name == REPOSITORY)
        self.assertEqual(stream.age(), 0.0)

    def test_nothing_there_yet(self) -> None:
        self.api.down = True
        self.serve()
        status, headers, body = self.ask(f"{DOCUMENTS}/index.json")
        self.assertEqual(status, 503)
        self.assertIn(b"answers 503", body)
        self.assertIn("retry-after", headers)

    def test_it_is_found_again(self) -> None:
        self.api.add(REPOSITORY, "docker/v1.0.0", build())
        self.api.down = True
        self.serve()
        self.api.down = False
        self.advance(300)
        self.assertEqual(self.versions(), ["v1.0.0"])


class UpstreamTests(ServingCase):
    def test_one_request_in_an_interval(self) -> None:
        for number in range(250):
            self.api.add(REPOSITORY, f"docker/v1.{number}.0", build(sums=False))
        self.serve(WSI_IMAGES_VERSIONS="1")
        lists = [each for each in self.api.paths() if each.startswith("/repos")]
        self.assertEqual(len(lists), 3)
        self.api.asked.clear()
        for _ in range(10):
            self.advance(300)
            self.get(f"{DOCUMENTS}/index.json")
        self.assertEqual([each.status for each in self.api.asked], [304] * 10)

    def test_what_changed_on_a_later_page_is_seen_when_it_is_its_turn(self) -> None:
        for number in range(150):
            self.api.add(REPOSITORY, f"i{number}/v1.0.0", build(sums=False))
        self.serve()
        oldest = self.api.repositories[REPOSITORY][-1]
        self.api.replace(oldest, "rootfs.amd64.squashfs", b"mended")
        for _ in range(2):
            self.advance(300)
        self.assertEqual(self.get(f"/{REPOSITORY}/images/i0/amd64/v1.0.0/rootfs.squashfs"), b"mended")

    def test_a_release_that_moves_to_the_next_page_stays_listed(self) -> None:
        for number in range(150):
            self.api.add(REPOSITORY, f"i{number}/v1.0.0", build(sums=False))
        self.serve()
        self.api.add(REPOSITORY, "new/v1.0.0", build(sums=False))
        for _ in range(2):
            self.advance(300)
            products = self.products()
        self.assertEqual(len(products), 151)

    def test_a_limit_is_heeded(self) -> None:
        self.api.add(REPOSITORY, "docker/v1.0.0", build())
        self.api.left, self.api.reset = 1, int(self.now()) + 1800
        self.serve()
        self.assertEqual(self.versions(), ["v1.0.0"])
        self.api.asked.clear()
        for _ in range(5):
            self.advance(300)
        self.assertEqual(self.api.asked, [])
        self.advance(310)
        self.assertEqual([each.status for each in self.api.asked], [304])

    def test_a_token_goes_to_the_api_alone(self) -> None:
        self.api.token = "t0ken"
        self.api.private.add(REPOSITORY)
        self.api.add(REPOSITORY, "docker/v1.0.0", build())
        self.serve(WSI_RELEASES_TOKEN="t0ken")
        self.assertEqual(self.get(f"{FILES}/rootfs.squashfs"), ROOT)
        for each in self.api.asked:
            self.assertEqual("authorization" in each.headers, not each.path.startswith("/signed"), each)

    def test_a_private_repository_without_one(self) -> None:
        self.api.private.add(REPOSITORY)
        self.api.add(REPOSITORY, "docker/v1.0.0", build())
        self.serve()
        self.assertEqual(self.ask(f"{DOCUMENTS}/index.json")[0], 503)

    def test_a_download_goes_on_where_it_ended(self) -> None:
        root = bytes(range(256)) * 400
        self.api.add(REPOSITORY, "docker/v1.0.0", build(root, sums=False))
        self.api.cut = 70_000
        self.serve()
        self.assertEqual(self.versions(), [])
        self.assertEqual(self.kinds(), {"docker/v1.0.0 (amd64)": "unread"})
        self.api.cut = None
        self.api.asked.clear()
        self.advance(300)
        self.assertEqual(self.get(f"{FILES}/rootfs.squashfs"), root)
        ranges = [each.headers.get("range") for each in self.api.asked if each.path.startswith("/signed")]
        self.assertEqual(ranges, ["bytes=70000-"])

    def test_answers_that_are_none(self) -> None:
        self.api.add(REPOSITORY, "docker/v1.0.0", build())
        self.serve()
        for body in (b"{}", b"[1]", b"<html>", b'[{"tag_name": "docker/v2"}', b'[{"x": 1}]'):
            self.patch(self.api, "_answer", lambda _request, _headers, body=body: body)
            self.advance(300)
            self.assertEqual(self.versions(), ["v1.0.0"], body)


class ForgejoTests(ServingCase):
    forgejo = True

    def test_a_release(self) -> None:
        self.api.add(REPOSITORY, "docker/v1.0.0", build())
        self.serve()
        self.assertEqual(self.versions(), ["v1.0.0"])
        self.assertEqual(self.get(f"{FILES}/rootfs.squashfs"), ROOT)

    def test_a_private_one(self) -> None:
        self.api.token = "t0ken"
        self.api.private.add(REPOSITORY)
        self.api.add(REPOSITORY, "docker/v1.0.0", build())
        self.serve(WSI_RELEASES_TOKEN="t0ken")
        self.assertEqual(self.get(f"{FILES}/rootfs.squashfs"), ROOT)
        self.assertTrue(all("authorization" in each.headers for each in self.api.asked))


class CacheTests(ServingCase):
    def fill(self, count: int, size: int = 400_000, **environ: str) -> None:
        for number in range(count):
            self.api.add(REPOSITORY, f"i{number}/v1.0.0", build(bytes([number]) * size, sums=False))
        self.serve(**environ)

    def test_it_is_bounded_and_the_least_recently_used_goes(self) -> None:
        self.fill(4, WSI_CACHE_SIZE=str(1_200_000 + 50_000))
        self.assertLessEqual(self.server.store.taken, 1_250_000)
        kept = sum(path.stat().st_size for path in (self.data / "cache").iterdir())
        self.assertEqual(kept, self.server.store.taken)
        for number in (0, 1, 2, 3):
            body = self.get(f"/{REPOSITORY}/images/i{number}/amd64/v1.0.0/rootfs.squashfs")
            self.assertEqual(body, bytes([number]) * 400_000)
        self.api.asked.clear()
        self.get(f"/{REPOSITORY}/images/i3/amd64/v1.0.0/rootfs.squashfs")
        self.assertEqual(self.api.asked, [])

    def test_what_is_larger_than_all_of_it_is_a_condition(self) -> None:
        self.fill(1, size=2_000_000, WSI_CACHE_SIZE="1048576")
        self.assertEqual(self.kinds(), {"i0/v1.0.0 (amd64)": "unreadable"})

    def test_a_file_that_changed_upstream_is_not_given_on(self) -> None:
        self.fill(1, WSI_CACHE_SIZE="1048576")
        for path in (self.data / "cache").iterdir():
            path.unlink()
        self.server.store._sizes.clear()
        for asset in self.api.repositories[REPOSITORY][0].assets:
            asset.content = b"\xff" * len(asset.content)
        path = f"/{REPOSITORY}/images/i0/amd64/v1.0.0/rootfs.squashfs"
        self.ask(path)
        self.assertEqual(list((self.data / "cache").iterdir()), [])

    def test_a_client_sees_that_the_rest_does_not_come(self) -> None:
        self.fill(1)
        for path in (self.data / "cache").iterdir():
            path.unlink()
        self.server.store._sizes.clear()
        self.api.cut = 100_000
        answer = self.agent.request(b"GET", f"{HERE}/{REPOSITORY}/images/i0/amd64/v1.0.0/rootfs.squashfs".encode())
        self.settle()
        body = readBody(self.successResultOf(answer))
        self.settle()
        self.failureResultOf(body, PartialDownloadError, ResponseFailed)
        self.assertEqual(self.server.store._held, {})

    def test_clients_share_a_download(self) -> None:
        self.fill(1)
        for path in (self.data / "cache").iterdir():
            path.unlink()
        self.server.store._sizes.clear()
        self.api.asked.clear()
        path = f"{HERE}/{REPOSITORY}/images/i0/amd64/v1.0.0/rootfs.squashfs".encode()
        answers: list[Any] = [self.agent.request(b"GET", path) for _ in range(5)]
        self.settle()
        bodies = [readBody(self.successResultOf(each)) for each in answers]
        self.settle()
        self.assertEqual({self.successResultOf(each) for each in bodies}, {bytes([0]) * 400_000})
        self.assertEqual(len([each for each in self.api.paths() if each.startswith("/signed")]), 1)


class DeltaTests(ServingCase):
    """Deltas that the server makes itself."""

    noise = os.urandom(100_000)

    def setUp(self) -> None:
        super().setUp()
        if shutil.which(PROGRAM) is None:
            raise SkipTest(f"{PROGRAM} is not installed")

    def publish(self, number: int) -> None:
        self.api.add(REPOSITORY, f"docker/v1.{number}.0", build(self.noise + bytes([number]), sums=False))

    def deltas(self) -> dict[str, str]:
        """Hashes by path, of the newest version."""
        versions = self.products()["docker:amd64"]["versions"]
        items = versions[max(versions)]["items"].values()
        return {item["path"]: item["sha256"] for item in items if "delta_base" in item}

    def test_from_the_last_n_and_those_of_no_use_go(self) -> None:
        for number in range(3):
            self.publish(number)
        self.serve(WSI_IMAGES_DELTAS="1")
        (path,) = self.deltas()
        self.assertEqual(path, "images/docker/amd64/v1.2.0/rootfs.v1.1.0.vcdiff")
        self.assertEqual(sha256(self.get(f"/{REPOSITORY}/{path}")), self.deltas()[path])
        self.publish(3)
        self.advance(300)
        self.assertEqual(list(self.deltas()), ["images/docker/amd64/v1.3.0/rootfs.v1.2.0.vcdiff"])
        # The old one is served for a while yet.
        self.assertEqual(len(list(self.data.glob("deltas/*/*.vcdiff"))), 2)
        self.advance(7300)
        self.publish(4)
        self.advance(300)
        self.assertEqual(len(list(self.data.glob("deltas/*/*.vcdiff"))), 2)


class LeavingTests(ServingCase):
    def test_a_client_that_goes_away_keeps_nothing(self) -> None:
        self.api.add(REPOSITORY, "docker/v1.0.0", build(b"x" * 3_000_000, sums=False))
        self.serve()
        answer = self.agent.request(b"GET", f"{HERE}{FILES}/rootfs.squashfs".encode())
        self.settle()
        self.successResultOf(answer)
        self.assertEqual(len(self.server.store._held), 1)
        self.reactor.cut(("127.0.0.1", 8095))
        self.settle()
        self.assertEqual(self.server.store._held, {})
        self.assertEqual(self.server.front.downloads.values, {})
        self.assertLess(self.server.front.sent, 3_000_000)
