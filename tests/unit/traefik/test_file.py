"""The file that Traefik watches."""

from __future__ import annotations

import json
import stat
from ipaddress import ip_address
from pathlib import Path
from unittest import mock

from twisted.trial.unittest import SynchronousTestCase

from tests.unit.timing import Time, watch
from tests.unit.traefik.test_render import BOTH, HTTPS, plain, route
from webspaced.core.address import Endpoint
from webspaced.core.routes import Route
from webspaced.traefik.file import FileStore
from webspaced.traefik.render import EntryPoints, generations_in, read, render


class FileCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp()) / "dynamic" / "webspaced.yml"

    def store(self, entry_points: EntryPoints = BOTH) -> FileStore:
        store = FileStore(self.path, entry_points)
        self.loaded = watch(store.load()).value
        return store

    def apply(self, store: FileStore, *remove: str, **put: object) -> None:
        watch(store.apply({name.replace("_", "-"): each for name, each in put.items()}, remove)).value  # noqa: B018

    def document(self) -> object:
        return plain(self.path.read_text())



class FileTests(FileCase):
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

    def test_each_change_has_a_generation_and_a_restart_counts_on(self) -> None:
        store = self.store()
        first = watch(store.apply({"ws-u7": route()}, ())).value
        second = watch(store.apply({}, ("ws-u7",))).value
        self.assertEqual((first, second), (1, 2))
        self.assertEqual(watch(store.apply({}, ())).value, None)
        third = watch(self.store().apply({"ws-u7": route()}, ())).value
        self.assertEqual(third, 3)
        rule = json.loads(self.path.read_text())["http"]["routers"]["webspaced"]["rule"]
        self.assertEqual(generations_in(rule), [3, 2, 1])

    def test_members_names_tell_no_generation(self) -> None:
        odd = Route(name="ws-u7", hosts=("g99.webspaced.invalid",), backend=route().backend)
        self.apply(self.store(), ws_u7=odd)
        self.assertEqual(watch(self.store().apply({}, ("ws-u7",))).value, 2)


class PartsTests(FileCase):
    """Many webspaces: some to a file, each in one and the same."""

    def store(self, entry_points: EntryPoints = BOTH, *, most: int = 3) -> FileStore:
        self.clock = Time()
        store = FileStore(self.path, entry_points, self.clock, 1.0, most)
        self.loaded = self.clock.result_of(store.load())
        return store

    def put(self, store: FileStore, *numbers: int, port: int = 80, remove: tuple[str, ...] = ()) -> int | None:
        routes = {name: Route(name=name, hosts=(f"{name}.org",), backend=Endpoint(ip_address("10.7.0.5"), port))
                  for name in (f"ws-u{n:02}" for n in numbers)}  # fmt: skip
        return self.clock.result_of(store.apply(routes, remove))

    def files(self) -> dict[str, list[str]]:
        """Give the routes in each file that is there."""
        return {
            each.name: sorted(read(json.loads(each.read_text()))) for each in sorted(self.path.parent.iterdir())
        }

    def written(self) -> dict[str, int]:
        return {each.name: each.stat().st_ino for each in self.path.parent.iterdir()}

    def test_a_change_writes_one_file(self) -> None:
        store = self.store()
        self.put(store, *range(8))
        self.assertEqual(self.files(), {
            "webspaced-001.yml": ["ws-u03", "ws-u04", "ws-u05"], "webspaced-002.yml": ["ws-u06", "ws-u07"],
            "webspaced.yml": ["ws-u00", "ws-u01", "ws-u02"],
        })  # fmt: skip
        before = self.written()
        generation = self.put(store, 4, port=81)
        after = self.written()
        self.assertEqual([name for name in after if after[name] != before[name]], ["webspaced-001.yml"])
        routers = json.loads((self.path.parent / "webspaced-001.yml").read_text())["http"]["routers"]
        self.assertIn(f"g{generation}.webspaced.invalid", routers["webspaced-part-1"]["rule"])

    def test_everybody_stays_where_they_are_over_restarts_and_deletions(self) -> None:
        store = self.store()
        self.put(store, *range(8))
        self.put(store, remove=("ws-u01", "ws-u03"))
        before = self.files()
        store = self.store()
        self.assertEqual(sorted(self.loaded), [f"ws-u0{n}" for n in (0, 2, 4, 5, 6, 7)])
        inodes = self.written()
        self.put(store)
        self.assertEqual((self.files(), self.written()), (before, inodes))
        self.put(store, 20, 21)
        self.assertEqual(self.files()["webspaced.yml"], ["ws-u00", "ws-u02", "ws-u20"])
        self.assertEqual(self.files()["webspaced-001.yml"], ["ws-u04", "ws-u05", "ws-u21"])

    def test_what_is_written_last_is_read_first_and_tells_the_generation(self) -> None:
        order: list[str] = []
        move = Path.replace

        def spy(temporary: Path, target: Path) -> Path:
            order.append(target.name)
            return move(temporary, target)

        store = self.store()
        with mock.patch.object(Path, "replace", spy):
            generation = self.put(store, *range(8))
        self.assertEqual(order, sorted(order, reverse=True))
        telling = [each.name for each in self.path.parent.iterdir() if f"g{generation}." in each.read_text()]
        self.assertEqual(telling, order[-1:])

    def test_an_older_ones_single_file_is_divided_without_a_gap(self) -> None:
        self.put(self.store(most=100), *range(8))
        everybody = set(self.files()["webspaced.yml"])
        seen: list[set[str]] = []
        move = Path.replace

        def spy(temporary: Path, target: Path) -> Path:
            moved = move(temporary, target)
            # Whoever read the others a moment ago, as they were, and this one now, has everybody.
            seen.append({name for names in self.files().values() for name in names})
            return moved

        store = self.store()
        with mock.patch.object(Path, "replace", spy):
            began = self.clock.seconds()
            self.put(store, 7, port=81)
        self.assertEqual([len(names) for names in self.files().values()], [3, 2, 3])
        self.assertEqual(seen, [everybody] * len(seen))
        # Traefik had the time to see the new files before the old one lost anything.
        self.assertGreaterEqual(self.clock.seconds() - began, 1.0)
        self.store()
        self.assertEqual(self.loaded["ws-u07"].backend.port, 81)

    def test_a_move_that_was_cut_short_ends_well(self) -> None:
        self.put(self.store(most=100), *range(8))
        store = self.store()
        moving = watch(store.apply({}, ()))
        self.clock.run_for(0.5)
        moving.deferred.cancel()
        store = self.store()
        self.assertEqual(len(self.loaded), 8)
        self.put(store)
        names = [name for names in self.files().values() for name in names]
        self.assertEqual(sorted(names), sorted(set(names)))
        self.assertEqual(len(names), 8)

    def test_a_move_that_fails_leaves_everybody_where_they_were(self) -> None:
        self.put(self.store(most=100), *range(8))
        everybody = self.files()["webspaced.yml"]
        move = Path.replace

        def refuse(temporary: Path, target: Path) -> Path:
            if target.name == "webspaced-001.yml":
                raise OSError(28, "no space")
            return move(temporary, target)

        store = self.store()
        with mock.patch.object(Path, "replace", refuse):
            for _ in range(2):
                self.assertRaises(OSError, self.put, store)
                self.assertEqual(self.files()["webspaced.yml"], everybody)
        self.put(store, remove=("ws-u06",))
        self.assertEqual([len(names) for names in self.files().values()], [3, 1, 3])

    def test_a_failed_write_is_made_good(self) -> None:
        store = self.store()
        self.put(store, *range(8))
        move, failing = Path.replace, [True]

        def refuse(temporary: Path, target: Path) -> Path:
            if failing[0] and target.name == "webspaced-001.yml":
                raise OSError(28, "no space")
            return move(temporary, target)

        with mock.patch.object(Path, "replace", refuse):
            self.assertRaises(OSError, self.put, store, 4, 7, port=81)
            failing[0] = False
            self.assertIsNotNone(self.put(store, 4, 7, port=81))
        self.store()
        self.assertEqual([self.loaded[name].backend.port for name in ("ws-u04", "ws-u07", "ws-u05")], [81, 81, 80])

    def test_files_with_nothing_left_and_files_of_others_under_our_names_are_removed(self) -> None:
        store = self.store()
        self.put(store, *range(8))
        (self.path.parent / "others.yml").write_text("{}")
        self.put(store, remove=("ws-u06", "ws-u07"))
        # Not at once: who is asked for the generation reads it there.
        self.assertEqual(self.files()["webspaced-002.yml"], [])
        (self.path.parent / "webspaced-777.yml").write_text((self.path.parent / "webspaced-001.yml").read_text())
        self.assertEqual(self.clock.result_of(store.differs()), ())
        self.put(store)
        self.assertNotIn("webspaced-777.yml", self.files())
        (self.path.parent.parent / ".webspaced-001.yml.new").write_text("{")
        self.put(self.store())
        self.assertEqual(sorted(self.files()), ["others.yml", "webspaced-001.yml", "webspaced.yml"])
        self.assertEqual([each.name for each in self.path.parent.parent.iterdir()], ["dynamic"])

    def test_what_others_changed_in_one_is_written_again(self) -> None:
        store = self.store()
        self.put(store, *range(8))
        before = self.files()
        (self.path.parent / "webspaced-001.yml").unlink()
        (self.path.parent / "webspaced-002.yml").write_text("{}")
        self.assertEqual(self.clock.result_of(store.differs()), ())
        self.put(store)
        self.assertEqual(self.files(), before)

    def test_others_have_their_turn_between_two_files(self) -> None:
        store = self.store()
        writing = watch(store.apply({name: route() for name in (f"ws-u{n}" for n in range(12))}, ()))
        self.assertFalse(writing.done)
        self.assertEqual(len(list(self.path.parent.iterdir())), 1)
        self.clock.settle()
        self.assertTrue(writing.done)
