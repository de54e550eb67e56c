"""Forwarded ports in a LoadBalancer Service: run on the emulator, and again on a real API server."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from tests.contracts.instances import contract
from webspaced.kube.client import KubeClient
from webspaced.kube.exposure import ServicePorts
from webspaced.kube.resources import SERVICE

NAME = "webspaced-forwards"
OPERATORS = ({"name": "https", "port": 443, "targetPort": 8443}, {"name": "dns", "port": 53, "protocol": "UDP"})


class ExposureContract:
    """Mixed into a trial test case that sets ``client``, ``operator`` (who may do more), ``clock`` and ``namespace``."""

    client: KubeClient
    operator: KubeClient
    clock: Any
    namespace: str
    exposure: ServicePorts
    assertEqual: Any
    fail: Any

    def drive(self, test: Coroutine[Any, Any, None]) -> Any:
        """Run a coroutine as a test."""
        raise NotImplementedError

    def sleep(self, seconds: float) -> Any:
        """Let time go by."""
        raise NotImplementedError

    def requests(self) -> int | None:
        """Give how many writes the server has seen, if it tells."""
        return None

    # --- helpers

    async def service(self, *ports: Any) -> None:
        spec = {"type": "LoadBalancer", "selector": {"app": "webspaced"}, "ports": list(ports)}
        await self.operator.create(SERVICE, self.namespace, SERVICE.document({"name": NAME}, spec=spec))

    def expose(self) -> None:
        self.exposure = ServicePorts(self.client, self.clock, self.namespace, NAME)

    async def ports(self) -> dict[int, Any]:
        document = await self.client.get(SERVICE, self.namespace, NAME)
        return {entry["port"]: entry for entry in document["spec"]["ports"]}

    async def until(self, *ports: int) -> dict[int, Any]:
        for _ in range(9000):
            found = await self.ports()
            if sorted(found) == sorted(ports):
                return found
            await self.sleep(0.02)
        return self.fail(f"{sorted(found)} instead of {ports}")

    async def version(self) -> str:
        version: str = (await self.client.get(SERVICE, self.namespace, NAME))["metadata"]["resourceVersion"]
        return version

    # --- the tests

    @contract
    async def test_a_former_daemons_are_adopted_with_their_names_and_node_ports(self) -> None:
        former = [{"name": f"ws-fwd-{port}", "port": port, "targetPort": port} for port in (50001, 50002, 50003)]
        await self.service(*OPERATORS, *former)
        before = await self.ports()
        self.expose()
        self.exposure.want(1, [50001])
        self.exposure.want(2, [50004])
        self.exposure.open()
        found = await self.until(443, 53, 50001, 50004)
        for port in (443, 53, 50001):
            self.assertEqual(found[port], before[port])
        self.assertEqual(found[50004]["name"], "webspaced-50004")
        # What was written beside it has made it ours, and it goes like any other.
        self.exposure.want(1, ())
        found = await self.until(443, 53, 50004)
        for port in (443, 53):
            self.assertEqual(found[port], before[port])
        await self.exposure.close()

    @contract
    async def test_ours_come_and_go_and_all_others_and_node_ports_stay(self) -> None:
        await self.service(*OPERATORS)
        before = await self.ports()
        self.expose()
        self.exposure.want(1, [50001, 50002])
        self.exposure.open()
        first = await self.until(443, 53, 50001, 50002)
        self.assertEqual((first[50001]["name"], first[50001]["targetPort"]), ("webspaced-50001", 50001))
        self.exposure.want(1, [50002])
        self.exposure.want(2, [50003])
        second = await self.until(443, 53, 50002, 50003)
        for port in before:
            self.assertEqual(second[port], before[port])
        self.assertEqual(second[50002]["nodePort"], first[50002]["nodePort"])
        self.exposure.want(1, [])
        self.exposure.want(2, [])
        self.assertEqual(await self.until(443, 53), before)
        await self.exposure.close()

    @contract
    async def test_nothing_before_all_is_known_and_nothing_when_nothing_changes(self) -> None:
        await self.service(*OPERATORS)
        self.expose()
        begun = await self.version()
        self.exposure.want(1, [50001])
        await self.sleep(0.5)
        self.assertEqual(await self.version(), begun)
        self.exposure.open()
        await self.until(443, 53, 50001)
        written = await self.version()
        self.exposure.want(1, [50001])
        self.exposure.check()
        await self.sleep(0.5)
        self.assertEqual(await self.version(), written)
        await self.exposure.close()

    @contract
    async def test_what_a_former_one_left_goes(self) -> None:
        await self.service(*OPERATORS)
        self.expose()
        self.exposure.want(1, [50001, 50002])
        self.exposure.open()
        await self.until(443, 53, 50001, 50002)
        await self.exposure.close()
        self.expose()
        self.exposure.want(2, [50002])
        self.exposure.open()
        await self.until(443, 53, 50002)
        await self.exposure.close()

    @contract
    async def test_what_others_change_in_ours_is_mended(self) -> None:
        await self.service(*OPERATORS)
        self.expose()
        self.exposure.want(1, [50001, 50002])
        self.exposure.open()
        before = await self.until(443, 53, 50001, 50002)
        ports = [{**entry, "targetPort": 1} if port == 50001 else entry for port, entry in before.items() if port != 50002]
        await self.operator.merge_patch(SERVICE, self.namespace, NAME, {"spec": {"ports": ports}})
        self.exposure.check()
        after = await self.until(443, 53, 50001, 50002)
        self.assertEqual(after[50001]["targetPort"], 50001)
        self.assertEqual(after[443], before[443])
        await self.exposure.close()

    @contract
    async def test_a_port_of_somebody_elses_is_left_alone(self) -> None:
        await self.service(*OPERATORS, {"name": "game", "port": 50001, "targetPort": 7})
        self.expose()
        self.exposure.want(1, [50001, 50002])
        self.exposure.open()
        found = await self.until(443, 53, 50001, 50002)
        self.assertEqual((found[50001]["name"], found[50001]["targetPort"]), ("game", 7))
        self.exposure.want(1, [])
        await self.until(443, 53, 50001)
        await self.exposure.close()

    @contract
    async def test_the_list_is_never_empty(self) -> None:
        # As a chart might begin it, and an operator end it: all ports there are are ours.
        await self.service({"name": "webspaced-50009", "port": 50009, "targetPort": 50009})
        self.expose()
        self.exposure.open()
        await self.sleep(0.5)
        self.assertEqual(list(await self.ports()), [50009])
        await self.exposure.close()

    @contract
    async def test_without_the_service_it_is_waited_for_and_not_made(self) -> None:
        self.expose()
        self.exposure.want(1, [50001])
        self.exposure.open()
        await self.sleep(1)
        self.assertEqual((await self.client.list_all(SERVICE, self.namespace)).items, ())
        await self.service(*OPERATORS)
        await self.until(443, 53, 50001)
        await self.exposure.close()
