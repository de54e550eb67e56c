"""What an older webspaced left: its Traefik goes on serving visitors until it is all removed."""

from __future__ import annotations

from twisted.logger import capturedLogs, formatEvent

from tests.contracts.route_store import BOOT, DIRECT, route
from tests.predecessor import led_to, left_by
from tests.unit.traefik.kube_store import StoreCase
from webspaced.core.address import Endpoint
from webspaced.kube.resources import (
    ENDPOINTS,
    INGRESS_ROUTE,
    OLD_INGRESS_ROUTE,
    OLD_INGRESS_ROUTE_TCP,
    SERVICE,
)


class InheritedTests(StoreCase):
    def inherit(self, name: str, backend: Endpoint | None, **more: object) -> None:
        for resource, document in left_by(name, backend, (f"{name}.example.org",), **more):  # type: ignore[arg-type]
            self.do(self.client.create(resource, self.namespace, document))

    def restart(self) -> None:
        self.store = self.renew()
        self.do(self.store.load())

    def led(self, name: str) -> tuple[str, int] | None:
        """Give where the old Traefik leads."""
        routes = {**self.objects(OLD_INGRESS_ROUTE), **self.objects(OLD_INGRESS_ROUTE_TCP)}
        return led_to(routes[name], self.objects(SERVICE), self.objects(ENDPOINTS))

    def leads(self, port: str | int) -> None:
        self.inherit("ws-u1", DIRECT, port=port)
        self.inherit("ws-u2", None, port=port)
        self.restart()
        self.put(route(backend=DIRECT), route("ws-u2"))
        self.assertEqual(self.led("ws-u1"), (str(DIRECT.host), DIRECT.port))
        self.assertEqual(self.led("ws-u2"), (str(BOOT.host), BOOT.port))
        self.put(route(backend=BOOT))
        self.assertEqual(self.led("ws-u1"), (str(BOOT.host), BOOT.port))
        self.put(remove=("ws-u1",))
        self.assertEqual(list(self.objects(ENDPOINTS)), ["ws-u2"])

    def test_it_leads_where_todays_route_does(self) -> None:
        self.leads("http")

    def test_whether_its_port_is_named_or_a_number(self) -> None:
        self.leads(80)

    def test_with_passthrough_too(self) -> None:
        self.inherit("ws-u1", DIRECT, passthrough=True)
        self.restart()
        self.put(route(passthrough=True, backend=BOOT))
        self.assertEqual(self.led("ws-u1"), (str(BOOT.host), BOOT.port))

    def test_the_cluster_makes_no_slices_of_that(self) -> None:
        self.inherit("ws-u1", DIRECT)
        self.restart()
        self.put(route())
        labels = self.objects(ENDPOINTS)["ws-u1"]["metadata"]["labels"]
        self.assertEqual(labels["endpointslice.kubernetes.io/skip-mirror"], "true")

    def test_what_is_as_it_was_is_not_written(self) -> None:
        self.inherit("ws-u1", DIRECT)
        self.restart()
        self.put(route(backend=DIRECT))
        self.writes()
        self.put(route(backend=DIRECT))
        self.assertEqual(self.writes(), [])
        self.put(route(backend=BOOT))
        self.assertEqual(self.writes(), ["PUT endpointslices/ws-u1", "PATCH endpoints/ws-u1"])

    def test_once_the_old_routes_are_gone_nothing_of_them_stays(self) -> None:
        self.inherit("ws-u1", DIRECT)
        self.restart()
        self.put(route())
        self.assertEqual([each["name"] for each in self.objects(SERVICE)["ws-u1"]["spec"]["ports"]][-1], "http")
        self.do(self.client.delete(OLD_INGRESS_ROUTE, self.namespace, "ws-u1"))
        self.assertEqual(self.do(self.store.differs()), {"ws-u1"})
        self.assertEqual(self.objects(ENDPOINTS), {})
        self.put(route())
        self.assertNotIn("http", [each["name"] for each in self.objects(SERVICE)["ws-u1"]["spec"]["ports"]])
        self.assertIsNone(self.do(self.store.differs()) or None)

    def test_what_was_removed_since_the_last_look_is_not_made_anew(self) -> None:
        self.inherit("ws-u1", DIRECT)
        self.restart()
        self.put(route(backend=DIRECT))
        self.do(self.client.delete(OLD_INGRESS_ROUTE, self.namespace, "ws-u1"))
        self.do(self.client.delete(ENDPOINTS, self.namespace, "ws-u1"))
        self.put(route(backend=BOOT))
        self.assertEqual(self.objects(ENDPOINTS), {})

    def test_where_somebody_removed_the_endpoints_only_they_are_made_anew(self) -> None:
        self.inherit("ws-u1", DIRECT)
        self.restart()
        self.do(self.client.delete(ENDPOINTS, self.namespace, "ws-u1"))
        self.put(route(backend=BOOT))
        self.assertEqual(self.led("ws-u1"), (str(BOOT.host), BOOT.port))

    def test_where_nobody_can_tell_what_is_old_the_endpoints_stay(self) -> None:
        self.inherit("ws-u1", DIRECT)
        self.restart()
        self.kube.faults.refuse("GET", "traefik.containo.us", 403, 2)
        with capturedLogs() as events:
            self.put(route())
        self.assertIn("could not be looked for", " ".join(map(str, map(formatEvent, events))))
        self.assertEqual(list(self.objects(ENDPOINTS)), ["ws-u1"])

    def test_a_failure_holds_up_no_route_of_today(self) -> None:
        self.inherit("ws-u1", DIRECT)
        self.restart()
        self.kube.faults.refuse("PATCH", "/endpoints", 403, 1)
        with capturedLogs() as events:
            self.put(route(backend=BOOT))
        self.assertIn("not kept current", " ".join(map(str, map(formatEvent, events))))
        self.assertIn("ws-u1", self.objects(INGRESS_ROUTE))
        # It is tried again with the next look.
        self.do(self.store.differs())
        self.assertEqual(self.led("ws-u1"), (str(BOOT.host), BOOT.port))
