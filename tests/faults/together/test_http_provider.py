"""A whole webspaced whose routes Traefik fetches: Traefik as its child, and one that is the operator's own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Event
from typing import Any

from tests.stack import Answer, Stack, StackCase, exchange, free_port, wait_until
from tests.visitors import PATIENCE
from webspaced.settings import Address
from webspaced.traefik.embedded import Embedding, find_traefik, static_configuration, write_files
from webspaced.traefik.render import EntryPoints, read

TOKEN = "fetch-me"


class ServedStack(Stack):
    """A stack with the provider `http`."""

    embedded = True

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.internal_port = free_port()

    def _settings(self) -> dict[str, Any]:
        settings = super()._settings()
        settings["http"]["internal_address"] = f"127.0.0.1:{self.internal_port}"
        # Traefik is asked what it has taken up, whoever's it is.
        asked = f"http://127.0.0.1:{self.http_port}"
        settings["traefik"].update(provider="http", embedded=self.embedded, probe_url=asked, http={"token": TOKEN})
        return settings

    def fetched(self) -> Answer:
        """Fetch as Traefik does."""
        return exchange("127.0.0.1", self.internal_port, "GET", "/routes", None, {"Authorization": f"Bearer {TOKEN}"})

    def routes(self) -> Mapping[str, str]:
        """Give the backends that can be fetched now, by route name."""
        found = read(self.fetched().json)
        return {name: f"http://{route.backend}" for name, route in found.items()}


class EmbeddedTests(StackCase):
    def make_stack(self) -> ServedStack:
        return ServedStack(self.lxd())

    def setUp(self) -> None:
        super().setUp()
        self.stack.create()

    def test_woken_served_directly_and_stopped_without_a_gap(self) -> None:
        # Creation answers when the route has settled.
        self.assertEqual(self.stack.visit().body, b"ws-u1\n")
        wait_until("the route is direct", self.stack.is_direct)
        seen: list[int] = []
        with ThreadPoolExecutor(1) as pool:
            stopping = pool.submit(self.stack.ask, "DELETE", "/v1/webspace/self/state")
            while not stopping.done():
                seen.append(self.stack.visit().status)
            self.assertEqual(stopping.result().status, 204)
        # Nobody was sent to a container that is gone: who came meanwhile was served by the next boot.
        self.assertEqual(set(seen), {200}, seen)
        wait_until("a visit wakes it", lambda: self.stack.visit().status == 200)
        self.assertEqual(self.stack.visit_https().body, b"ws-u1\n")

    def test_deletion(self) -> None:
        self.assertEqual(self.stack.ask("DELETE", "/v1/webspace/self").status, 204)
        wait_until("Traefik knows", lambda: self.stack.visit().status == 404)

    def test_restart(self) -> None:
        self.assertEqual(self.stack.visit().body, b"ws-u1\n")
        wait_until("the route is direct", self.stack.is_direct)
        before = self.stack.routes()
        self.stack.kill()
        self.stack.start()
        self.assertEqual(self.stack.routes(), before)
        wait_until("the new Traefik has fetched them", lambda: self.stack.visit().body == b"ws-u1\n")


class OwnStack(ServedStack):
    """A stack whose Traefik is the operator's: it lives on when webspaced does not."""

    embedded = False

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.traefik_port = free_port()

    def start_traefik(self) -> None:
        """Start it; whether webspaced or Traefik begins does not matter."""
        here = [Address("127.0.0.1", port) for port in (self.internal_port, self.http_port, self.https_port)]
        embedding = Embedding(
            directory=self.directory,
            routes=here[0],
            entry_points=EntryPoints(http="http", https="https"),
            http=here[1],
            https=here[2],
            token=TOKEN,
        )
        path = write_files(embedding)
        static = static_configuration(embedding)
        static["entryPoints"]["traefik"] = {"address": f"127.0.0.1:{self.traefik_port}"}
        path.write_text(json.dumps({**static, "api": {"insecure": True}}))
        self._traefik = subprocess.Popen(
            [find_traefik(), f"--configFile={path}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def backend_at_traefik(self, service: str) -> str | None:
        """Give the address that Traefik itself says it sends a service's visitors to."""
        found = exchange("127.0.0.1", self.traefik_port, "GET", f"/api/http/services/{service}@http", None, {})
        return found.json["loadBalancer"]["servers"][0]["url"] if found.status == 200 else None

    def end_traefik(self) -> None:
        """End it."""
        self._traefik.kill()
        self._traefik.wait(PATIENCE)


class OwnTraefikTests(StackCase):
    def make_stack(self) -> OwnStack:
        return OwnStack(self.lxd())

    def prepare(self) -> None:
        self.addCleanup(self._end_traefik)
        self.stack.start_traefik()

    def setUp(self) -> None:
        super().setUp()
        self.stack.create("alice")
        self.stack.create("bob")
        wait_until("Alice is served", lambda: self.stack.visit().status == 200)
        wait_until("her route is direct", self.stack.is_direct)

    def _end_traefik(self) -> None:
        self.stack.end_traefik()

    def test_no_visitor_of_a_running_webspace_notices_a_restart(self) -> None:
        before = self.stack.routes()
        # What can be fetched, Traefik has a little later.
        wait_until("Traefik has it", lambda: self.stack.backend_at_traefik("ws-u1") == before["ws-u1"])
        ended = Event()

        def visit_on() -> list[tuple[int, bytes]]:
            seen = []
            while not ended.is_set():
                answer = self.stack.visit()
                seen.append((answer.status, answer.body))
            return seen

        with ThreadPoolExecutor(2) as pool:
            visitors = [pool.submit(visit_on) for _ in range(2)]
            try:
                # Two forms of an end.
                for end in (self.stack.kill, self.stack.stop):
                    end()
                    self.stack.start()
                wait_until("Bob can be woken", lambda: self.stack.visit("bob").status == 200)
            finally:
                ended.set()
            seen = {each for visitor in visitors for each in visitor.result()}
        self.assertEqual(seen, {(200, b"ws-u1\n")})
        self.assertEqual(self.stack.routes()["ws-u1"], before["ws-u1"])

    def test_what_ended_meanwhile_is_woken_afterwards(self) -> None:
        self.stack.kill()
        self.stack.put_state("stop", force=True)
        self.stack.start(wait=False)
        wait_until("there is nothing to be had yet, or the new routes", self._no_old_route)
        wait_until("a visit wakes it", lambda: self.stack.visit().body == b"ws-u1\n")

    def _no_old_route(self) -> bool:
        with suppress(OSError):
            answer = self.stack.fetched()
            return answer.status == 503 or self.stack.leads_to_itself()
        return False
