"""Who may ask, and where: also below a folder with a long name."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from webspaced.cli.daemon import beside
from webspaced.control import socket as module
from webspaced.control.operator import operator_of
from webspaced.control.socket import NAME, reachable
from webspaced.errors import Forbidden, Unavailable


class PeerTests(SynchronousTestCase):
    def request(self, uid: int) -> Any:
        credentials = struct.pack("3i", 1, uid, uid)
        connection = SimpleNamespace(getsockopt=lambda *_: credentials)
        return SimpleNamespace(transport=SimpleNamespace(socket=connection))

    def test_root_and_the_daemons_own_user(self) -> None:
        self.patch(os, "geteuid", lambda: 4711)
        self.assertEqual(operator_of(self.request(0)), "root")
        self.assertEqual(operator_of(self.request(4711)), "uid 4711")
        self.assertRaises(Forbidden, operator_of, self.request(4712))

    def test_the_kernel_tells_it(self) -> None:
        here, there = socket.socketpair()
        self.addCleanup(here.close)
        self.addCleanup(there.close)
        request: Any = SimpleNamespace(transport=SimpleNamespace(socket=here))
        self.assertTrue(operator_of(request))


class PathTests(SynchronousTestCase):
    def test_however_long_the_folders_name_is(self) -> None:
        folder = Path(self.mktemp()).absolute() / ("x" * 120)
        folder.mkdir(parents=True)
        with socket.socket(socket.AF_UNIX) as listening, reachable(folder) as path:
            listening.bind(path)
            self.assertTrue((folder / NAME).is_socket())

    def test_where_nobody_listens_that_is_said_with_the_socket(self) -> None:
        folder = Path(self.mktemp())
        error = self.assertRaises(Unavailable, beside(folder).ask, "GET", "/status")
        self.assertIn(f"{folder}/{NAME}", str(error))

    def test_the_kernels_struct_has_its_size(self) -> None:
        self.assertEqual(module._CREDENTIALS.size, 12)
