"""Members' own certificates: brought, served, judged, taken away, and the words about their ends."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from tests.certificates import DAY, Issued, issue
from tests.unit.world import World
from webspaced.core.certificate import Certificate
from webspaced.core.config import Config
from webspaced.core.instance import Status
from webspaced.core.kept_certificates import certificate_key
from webspaced.core.routes import ServedCertificate
from webspaced.core.webspace import BOOT_PORT_KEY, KEY, load_webspace
from webspaced.errors import Conflict, Invalid, NotFound
from webspaced.webspaces.certificates import LOOK, NEAR
from webspaced.webspaces.conditions import Kind
from webspaced.webspaces.registry import Registry

YEAR = 365 * DAY
WWW, BARE, OTHER = "www.example.net", "example.net", "b.example"


class UploadsCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.w = World()
        self.w.webspace(1, domains=(WWW, BARE, OTHER))
        self.w.webspace(2, domains=("c.example",))
        self.w.start()
        self.w.clock.run_for(5)

    @property
    def now(self) -> float:
        return self.w.clock.seconds()

    def own(self, *names: str, **more: Any) -> Issued:
        return issue(*names, **{"ends": self.now + YEAR, **more})

    def put(self, domain: str, issued: Issued, uid: int = 1) -> tuple[Certificate, bool]:
        return self.w.clock.result_of(self.w.uploads.put(uid, domain, issued.pem, issued.key))

    def read(self, domain: str, uid: int = 1) -> Certificate:
        return self.w.clock.result_of(self.w.uploads.read(uid, domain))

    def remove(self, domain: str, uid: int = 1) -> None:
        self.w.clock.result_of(self.w.uploads.remove(uid, domain))

    def fails(self, error: type[Exception], domain: str, issued: Issued, uid: int = 1) -> str:
        before = dict(self.w.lxd.containers[f"ws-u{uid}"].config)
        said = str(self.assertRaises(error, self.put, domain, issued, uid))
        self.assertEqual(dict(self.w.lxd.containers[f"ws-u{uid}"].config), before)
        return said

    def served(self, uid: int = 1) -> tuple[ServedCertificate, ...]:
        return self.w.store.routes[f"ws-u{uid}"].certificates

    def conditions(self, uid: int = 1) -> dict[Kind, str]:
        return dict(self.w.conditions.of(uid))

    def kept(self, domain: str = WWW, uid: int = 1) -> str:
        return str(self.w.lxd.containers[f"ws-u{uid}"].config.get(certificate_key(domain), ""))

    def write(self, uid: int = 1, **keys: str) -> None:
        """Write keys of the instance by hand, and let webspaced see it."""
        self.w.lxd.containers[f"ws-u{uid}"].config.update(keys)
        self.w.clock.result_of(self.w.registry.look(uid))
        self.w.clock.run_for(5)


class PutTests(UploadsCase):
    def test_it_is_served_when_the_answer_comes(self) -> None:
        first = self.own(WWW)
        taken, is_new = self.put("WWW.example.net.", first)
        self.assertEqual((taken.names, is_new), ((WWW,), True))
        self.assertEqual(self.served(), (ServedCertificate(hosts=(WWW,), chain=first.pem, key=first.key),))
        self.assertEqual(self.w.store.routes["ws-u1"].automatic, ("alice.example.org", BARE, OTHER))
        self.assertEqual(self.read(WWW), taken)
        second = self.own(WWW)
        self.assertEqual(self.put(WWW, second)[1], False)
        self.assertEqual([each.key for each in self.served()], [second.key])
        self.remove(WWW)
        self.assertEqual((self.served(), self.kept()), ((), ""))
        self.assertRaises(NotFound, self.read, WWW)
        self.assertRaises(NotFound, self.remove, WWW)

    def test_the_same_again_writes_nothing(self) -> None:
        issued = self.own(WWW)
        self.put(WWW, issued)
        self.w.lxd.calls.clear()
        self.put(WWW, issued)
        self.assertEqual(self.w.calls("configure"), [])

    def test_only_for_a_domain_of_ones_own(self) -> None:
        self.fails(NotFound, "c.example", self.own("c.example"))
        self.fails(NotFound, "nobody.example", self.own("nobody.example"))
        self.assertIn("default domain", self.fails(Invalid, "alice.example.org", self.own("alice.example.org")))
        for ask in (self.read, self.remove):
            self.assertRaises(Invalid, ask, "alice.example.org")
            self.assertRaises(NotFound, ask, "c.example")
        self.assertRaises(NotFound, self.put, WWW, self.own(WWW), 3)

    def test_not_if_it_cannot_be_served(self) -> None:
        self.assertIn("not for", self.fails(Invalid, WWW, self.own(OTHER)))
        self.assertIn("ended", self.fails(Invalid, WWW, self.own(WWW, ends=self.now - 1)))

    def test_names_that_are_nobodys_or_anothers(self) -> None:
        self.assertIn("victim.example", self.fails(Invalid, WWW, self.own(WWW, "victim.example")))
        self.assertIn("bob.example.org", self.fails(Invalid, WWW, self.own(WWW, common_name="bob.example.org")))
        # Below a domain of one's own, and another member's.
        self.write(2, **{KEY: self.w.seen(2).webspace.with_domain("shop.example.net", 9.0).dump()})
        self.assertIn("shop.example.net", self.fails(Conflict, BARE, self.own(BARE, "shop.example.net")))
        self.assertIn("*.example.net", self.fails(Conflict, WWW, self.own("*.example.net")))
        self.put(WWW, self.own(WWW, BARE))

    def test_a_domain_that_was_granted_to_somebody_else(self) -> None:
        self.write(2, **{KEY: self.w.seen(2).webspace.with_domain(WWW, self.w.claims.granting()).dump()})
        self.assertIn("another webspace", self.fails(Conflict, WWW, self.own(WWW)))

    def test_with_passthrough_it_is_kept_for_later(self) -> None:
        self.w.clock.result_of(self.w.service.set_config(1, {"sniPassthrough": True}))
        self.put(WWW, self.own(WWW, ends=self.now + DAY))
        self.assertEqual((self.served(), self.conditions()), ((), {}))
        self.w.clock.result_of(self.w.service.set_config(1, {"sniPassthrough": False}))
        self.assertEqual([each.hosts for each in self.served()], [(WWW,)])
        self.assertIn(Kind.CERTIFICATE_ENDS, self.conditions())

    def test_another_change_meanwhile_is_kept(self) -> None:
        issued = self.own(WWW)
        self.put(WWW, issued)
        self.w.clock.result_of(self.w.service.set_config(1, {"httpPort": 8080}))
        self.assertTrue(self.kept())
        self.assertEqual(len(self.served()), 1)


class GoneTests(UploadsCase):
    def test_it_goes_with_the_domain(self) -> None:
        self.put(WWW, self.own(WWW))
        self.put(OTHER, self.own(OTHER))
        self.w.clock.result_of(self.w.domains.remove(1, WWW))
        self.w.clock.run_for(5)
        self.assertEqual((self.kept(), bool(self.kept(OTHER))), ("", True))
        self.assertEqual([each.hosts for each in self.served()], [(OTHER,)])

    def test_what_was_left_by_hand_is_not_there_when_the_domain_comes_back(self) -> None:
        self.put(WWW, self.own(WWW))
        text = self.kept()
        self.w.clock.result_of(self.w.domains.remove(1, WWW))
        self.write(1, **{certificate_key(WWW): text})
        self.assertEqual(self.served(), ())
        self.w.records.texts_of[WWW] = ["webspace:id:1"]
        self.w.clock.result_of(self.w.domains.add(1, WWW))
        self.assertEqual((self.served(), self.kept()), ((), ""))

    def test_a_document_holds_no_key(self) -> None:
        issued = self.own(WWW)
        self.put(WWW, issued)
        config = self.w.lxd.containers["ws-u1"].config
        secret = issued.key.splitlines()[1]
        self.assertNotIn(secret, config[KEY])
        self.assertIn(secret, config[certificate_key(WWW)])
        seen = self.w.seen(1)
        for shown in (repr(seen), json.dumps(seen.webspace.to_json()), repr(self.w.store.routes), repr(self.read(WWW))):
            self.assertNotIn(secret, shown)

    def test_a_copy_or_a_renamed_instance_has_none(self) -> None:
        self.put(WWW, self.own(WWW))
        copy = dict(self.w.lxd.containers["ws-u1"].config)
        document = load_webspace(copy[KEY], Config(startup_delay=3, http_port=80, sni_passthrough=False))
        self.w.lxd.put("ws-u3", **copy)
        self.w.clock.result_of(self.w.registry.look(3))
        self.assertEqual(self.w.seen(3).certificates.good, {})
        # Not even with the domain: it was brought by another member.
        self.write(3, **{KEY: evolve(document, user=3).dump(), BOOT_PORT_KEY: "20003"})
        self.assertEqual(self.w.seen(3).certificates.good, {})


class JudgedTests(UploadsCase):
    def test_a_bad_one_harms_nobody_and_is_told(self) -> None:
        self.put(OTHER, self.own(OTHER))
        self.put("c.example", self.own("c.example"), 2)
        for text in ("x", "{}", json.dumps({"user": 1, "certificate": "x", "key": "y"})):
            self.write(1, **{certificate_key(WWW): text})
            self.assertEqual([each.hosts for each in self.served()], [(OTHER,)])
            self.assertEqual([each.hosts for each in self.served(2)], [("c.example",)])
            self.assertIn(WWW, self.conditions()[Kind.BAD_CERTIFICATE])
            self.assertNotIn(Kind.BAD_CERTIFICATE, self.conditions(2))
            self.assertIn("cannot be served", str(self.assertRaises(NotFound, self.read, WWW)))
        self.remove(WWW)
        self.assertEqual(self.conditions(), {})

    def test_one_for_a_domain_that_is_none_of_the_webspaces_is_nothing(self) -> None:
        self.write(1, **{certificate_key("stranger.example"): "x"})
        self.assertEqual((self.served(), self.conditions()), ((), {}))

    def test_who_proves_a_name_on_it_has_it(self) -> None:
        self.put(WWW, self.own("*.example.net"))
        self.put(BARE, self.own(BARE, "a.b.example.net"))
        self.assertEqual(len(self.served()), 2)
        for name, left in (("shop.example.net", [(BARE,)]), ("a.b.example.net", [(WWW,)])):
            self.w.records.texts_of[name] = ["webspace:id:2"]
            self.w.clock.result_of(self.w.domains.add(2, name))
            self.w.clock.run_for(5)
            self.assertEqual([each.hosts for each in self.served()], left)
            self.assertIn(name, self.conditions()[Kind.BAD_CERTIFICATE])
            self.w.clock.result_of(self.w.domains.remove(2, name))
            self.w.clock.run_for(5)
            self.assertEqual((len(self.served()), self.conditions()), (2, {}))

    def test_a_name_that_was_ones_own(self) -> None:
        self.put(WWW, self.own(WWW, BARE))
        self.w.clock.result_of(self.w.domains.remove(1, BARE))
        self.w.clock.run_for(5)
        self.assertEqual(self.served(), ())
        self.assertIn(BARE, self.conditions()[Kind.BAD_CERTIFICATE])

    def test_one_that_is_brought_while_lxd_cannot_tell_the_state(self) -> None:
        self.w.lxd.containers["ws-u1"].status = Status.ERROR
        self.w.clock.result_of(self.w.registry.look(1))
        backend = self.w.store.backend("ws-u1")
        self.put(WWW, self.own(WWW))
        self.assertEqual(([each.hosts for each in self.served()], self.w.store.backend("ws-u1")), ([(WWW,)], backend))

    def test_of_two_with_the_same_names_the_one_that_ends_last_is_shown_for_both(self) -> None:
        sooner, later = self.own(WWW, BARE, ends=self.now + 100 * DAY), self.own(BARE, WWW, common_name=WWW)
        self.put(WWW, later)
        self.put(BARE, sooner)
        self.assertEqual(self.served(), (ServedCertificate(hosts=(BARE, WWW), chain=later.pem, key=later.key),))

    def test_it_is_there_after_a_restart_and_nothing_is_written(self) -> None:
        self.put(WWW, self.own(WWW))
        before = self.w.store.routes
        again = World()
        again.lxd.containers.update(self.w.lxd.containers)
        again.store.routes = dict(before)
        again.start()
        again.clock.run_for(5)
        self.assertEqual(again.store.routes["ws-u1"], before["ws-u1"])
        self.assertEqual([put for put, _ in again.store.writes if put], [])


class EndTests(UploadsCase):
    def test_from_14_days_before_its_end_and_after_it(self) -> None:
        end = self.now + 30 * DAY
        self.put(WWW, self.own(WWW, ends=end))
        told = dt.datetime.fromtimestamp(int(end), dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        for left, said in (
            (NEAR + 60, None), (NEAR - 60, f"the certificate for {WWW} ends {told}"),
            (60, f"the certificate for {WWW} ends {told}"), (-60, f"the certificate for {WWW} ended {told}"),
        ):  # fmt: skip
            self.w.clock.advance(end - left - self.now)
            self.w.certificates.look()
            self.assertEqual(self.conditions().get(Kind.CERTIFICATE_ENDS), said)
            # It is served all the same.
            self.assertEqual(len(self.served()), 1)
        self.put(WWW, self.own(WWW))
        self.assertEqual(self.conditions(), {})

    def test_a_look_takes_those_who_have_any(self) -> None:
        self.put(WWW, self.own(WWW))
        asked: list[int] = []
        get = Registry.get
        self.patch(Registry, "get", lambda registry, uid: asked.append(uid) or get(registry, uid))
        self.w.certificates.look()
        self.assertEqual(set(asked), {1})
        self.assertLess(LOOK, DAY)
