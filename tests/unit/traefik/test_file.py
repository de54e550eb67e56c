"""The file that Traefik watches."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import watch
from tests.unit.traefik.test_render import BOTH, HTTPS, route
from webspaced.traefik.file import FileStore
from webspaced.traefik.render import EntryPoints, render


class FileTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "dynamic" / "webspaced.yml"

    def store(self, entry_points: EntryPoints = BOTH) -> FileStore:
        store = FileStore(self.path, entry_points)
        self.loaded = watch(store.load()).value
        return store

    def apply(self, store: FileStore, *remove: str, **put: object) -> None:
        watch(store.apply({name.replace("_", "-"): each for name, each in put.items()}, remove)).value  # noqa: B018

    def document(self) -> object:
        return json.loads(self.path.read_text())

    def test_is_there_only_after_the_first_write_and_for_its_owner_only(self) -> None:
        store = self.store()
        self.assertFalse(self.path.exists())
        self.apply(store, ws_u7=route())
        self.assertEqual(self.document(), render({"ws-u7": route()}, BOTH))
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.path.parent.stat().st_mode), 0o700)

    def test_what_was_written_is_loaded_by_the_next(self) -> None:
        self.apply(self.store(), ws_u7=route())
        self.store()
        self.assertEqual(self.loaded, {"ws-u7": route()})

    def test_changes_keep_the_rest(self) -> None:
        store = self.store()
        self.apply(store, ws_u7=route(), ws_u8=route(passthrough=True))
        self.apply(store, "ws-u7")
        self.assertEqual(self.document(), render({"ws-u8": route(passthrough=True)}, BOTH))

    def test_the_same_again_is_not_written(self) -> None:
        store = self.store()
        self.apply(store, ws_u7=route())
        before = self.path.stat().st_ino
        self.apply(store, ws_u7=route())
        self.apply(store)
        self.apply(self.store())
        self.assertEqual(self.path.stat().st_ino, before)

    def test_what_others_changed_is_noticed_and_written_again(self) -> None:
        store = self.store()
        self.apply(store, ws_u7=route())
        self.assertIsNone(watch(store.differs()).value)
        for change in (self.path.unlink, lambda: self.path.write_text("{}")):
            change()
            self.assertEqual(watch(store.differs()).value, ())
            self.apply(store)
            self.assertEqual(self.document(), render({"ws-u7": route()}, BOTH))

    def test_what_another_version_wrote_is_renewed(self) -> None:
        self.apply(self.store(HTTPS), ws_u7=route())
        self.apply(self.store(BOTH))
        self.assertEqual(self.document(), render({"ws-u7": route()}, BOTH))

    def test_a_broken_one_is_written_anew(self) -> None:
        self.path.parent.mkdir(parents=True)
        for broken in ("", "{", "[]", "3", '{"http": 3}', '{"http": {"services": []}}', "\udcff"):
            self.path.write_bytes(broken.encode(errors="surrogateescape"))
            store = self.store()
            self.assertEqual(self.loaded, {}, broken)
            self.apply(store)
            self.assertEqual(self.document(), render({}, BOTH), broken)

    def test_a_failed_write_is_tried_again_with_the_same_difference(self) -> None:
        store = self.store()
        self.path.parent.parent.mkdir(parents=True)
        self.path.parent.write_text("in the way")
        self.assertRaises(OSError, self.apply, store, ws_u7=route())
        self.path.parent.unlink()
        self.apply(store, ws_u7=route())
        self.assertEqual(list(self.document()["http"]["services"]), ["ws-u7"])

    def test_a_rule_that_is_no_text_is_written_anew(self) -> None:
        self.path.parent.mkdir(parents=True)
        service = {"loadBalancer": {"servers": [{"url": "http://10.7.0.5:80"}]}}
        self.path.write_text(json.dumps({"http": {"services": {"a": service}, "routers": {"a-https": {"rule": 5}}}}))
        self.store()
        self.assertEqual(self.loaded, {})

    def test_traefik_is_not_told_twice(self) -> None:
        # It watches the folder: whatever appears in it makes it read everything.
        seen: list[list[str]] = []
        move = Path.replace

        def spy(temporary: Path, target: Path) -> Path:
            seen.append([each.name for each in self.path.parent.iterdir()])
            return move(temporary, target)

        with mock.patch.object(Path, "replace", spy):
            self.apply(self.store(), ws_u7=route())
        self.assertEqual(seen, [[]])

    def test_where_it_can_be_written_only_beside_it_is(self) -> None:
        move = Path.replace

        def refuse(temporary: Path, target: Path) -> Path:
            if temporary.parent != target.parent:
                raise OSError(18, "another file system")
            return move(temporary, target)

        with mock.patch.object(Path, "replace", refuse):
            self.apply(self.store(), ws_u7=route())
        self.assertEqual(self.document(), render({"ws-u7": route()}, BOTH))
        self.assertEqual([each.name for each in self.path.parent.parent.iterdir()], ["dynamic"])
