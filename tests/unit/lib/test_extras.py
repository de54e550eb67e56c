"""What is not installed is said with the extra that brings it."""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import metadata
from typing import Any
from unittest import mock

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from webspaced.assembly import publishing
from webspaced.errors import Invalid, Unavailable
from webspaced.kube import access
from webspaced.lib.extras import extra
from webspaced.settings import load
from webspaced.tracing.build import tracer_for
from webspaced.traefik.embedded import find_traefik

OF_EXTRAS = ("webspaced.traefik.redis", "webspaced.traefik.redis_server", "webspaced.tracing.otel")
MINIMUM = {"WSD_LXD_URL": "unix:///x", "WSD_WEBSPACES_DOMAIN": "example.test", "WSD_IAM_USERS_FILE": "/users.yaml"}


class ExtraTests(SynchronousTestCase):
    def without(self, module: str) -> Any:
        """Have a module, and all that it has brought, not installed."""
        ours = [name for name in sys.modules if name in OF_EXTRAS]
        for name in ours:
            self.addCleanup(sys.modules.__setitem__, name, sys.modules.pop(name))
        return mock.patch.dict(sys.modules, {module: None})

    def test_redis(self) -> None:
        settings = load(None, {**MINIMUM, "WSD_TRAEFIK_PROVIDER": "redis"})
        with self.without("redis"):
            error = self.assertRaises(Invalid, publishing.route_store, MemoryReactorClock(), settings, None)
        self.assertIn("traefik.provider: redis needs redis", str(error))
        self.assertIn("pip install 'webspaced[redis]'", str(error))

    def test_kubernetes(self) -> None:
        with self.without("kubernetes"):
            error = self.assertRaises(Invalid, access._load, "/kubeconfig")
        self.assertIn("pip install 'webspaced[kubernetes]'", str(error))

    def test_tracing(self) -> None:
        settings = load(None, {**MINIMUM, "WSD_TRACING_ENDPOINT": "http://127.0.0.1:4318/v1/traces"})
        with self.without("opentelemetry"):
            error = self.assertRaises(Invalid, tracer_for, MemoryReactorClock(), settings)
        self.assertIn("tracing.endpoint needs opentelemetry", str(error))
        self.assertIn("pip install 'webspaced[tracing]'", str(error))

    def test_traefik(self) -> None:
        self.patch(shutil, "which", lambda *_, **__: None)
        self.assertIn("pip install 'webspaced[standalone]'", str(self.assertRaises(Unavailable, find_traefik)))

    def test_what_is_missing_of_something_else_is_that_ones_error(self) -> None:
        def imported() -> None:
            with extra("redis", "redis", "something"):
                import no_such_module_of_redis  # noqa: F401, PLC0415

        self.assertRaises(ModuleNotFoundError, imported)

    def test_the_extras_that_are_named_are_there(self) -> None:
        provided = metadata("webspaced").get_all("Provides-Extra") or []
        self.assertTrue({"redis", "kubernetes", "standalone", "tracing", "all", "test"} <= set(provided), provided)
