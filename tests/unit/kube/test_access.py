"""Where the cluster is, and who we are there."""

from __future__ import annotations

import base64
import os
import stat
import sys
from pathlib import Path
from typing import Any

import yaml
from twisted.trial.unittest import SynchronousTestCase

from tests.authority import Authority
from tests.unit.timing import Time, watch
from webspaced.errors import Invalid, Unavailable
from webspaced.kube.access import TOKEN_LIFETIME, Access, by_kubeconfig, find_access, fixed_token
from webspaced.kube.agent import Connections

POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443", "HOME": "/nowhere"}
PLUGIN = """#!{python}
import json, pathlib
count = pathlib.Path({counter!r})
number = int(count.read_text()) + 1 if count.exists() else 1
count.write_text(str(number))
print(json.dumps({{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
    "status": {{"token": f"token-{{number}}", "expirationTimestamp": {ends!r}}}}}))
"""


class Threads:
    """A reactor whose threads are done at once."""

    def __init__(self, clock: Time) -> None:
        self.seconds, self.callLater = clock.seconds, clock.callLater

    def getThreadPool(self) -> Threads:
        return self

    def callInThreadWithCallback(self, told: Any, work: Any, *args: Any, **kwargs: Any) -> None:
        told(True, work(*args, **kwargs))

    def callFromThread(self, work: Any, *args: Any) -> None:
        work(*args)


class AccessCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Time()
        self.reactor = Threads(self.clock)
        self.folder = Path(self.mktemp()).absolute()
        self.folder.mkdir()

    def token_of(self, access: Access, **how: bool) -> Any:
        return watch(access.token(**how)).value


class PodTests(AccessCase):
    def setUp(self) -> None:
        super().setUp()
        for name, text in (("token", "first\n"), ("namespace", "webspaces\n"), ("ca.crt", "PEM")):
            (self.folder / name).write_text(text)

    def find(self, **environment: str) -> Access:
        return find_access(self.reactor, {**POD, **environment}, self.folder)

    def test_three_files_and_two_variables(self) -> None:
        access = self.find()
        self.assertEqual((access.url, access.namespace, access.ca), ("https://10.96.0.1:443", "webspaces", "PEM"))
        self.assertEqual(self.token_of(access), "first")
        self.assertEqual(self.find(KUBERNETES_SERVICE_HOST="fd00::1").url, "https://[fd00::1]:443")

    def test_the_token_is_read_again_each_minute(self) -> None:
        access = self.find()
        self.token_of(access)
        (self.folder / "token").write_text("second")
        self.clock.advance(TOKEN_LIFETIME - 1)
        self.assertEqual(self.token_of(access), "first")
        self.clock.advance(2)
        self.assertEqual(self.token_of(access), "second")

    def test_and_when_it_was_refused(self) -> None:
        access = self.find()
        self.token_of(access)
        (self.folder / "token").write_text("second")
        self.assertEqual(self.token_of(access, renew=True), "second")
        self.assertEqual(self.token_of(access), "second")

    def test_a_file_that_is_gone(self) -> None:
        (self.folder / "ca.crt").unlink()
        self.assertIn("ca.crt", str(self.assertRaises(Unavailable, self.find)))

    def test_neither_pod_nor_kubeconfig(self) -> None:
        error = self.assertRaises(Unavailable, find_access, self.reactor, {"HOME": "/nowhere"}, self.folder)
        self.assertIn("KUBECONFIG", str(error))


class KubeconfigTests(AccessCase):
    def setUp(self) -> None:
        super().setUp()
        self.authority = Authority("cluster")
        self.certificate, self.key = self.authority.issue("me")

    def config(self, user: dict[str, Any], cluster: dict[str, Any] | None = None, **context: str) -> str:
        authority = base64.b64encode(self.authority.certificate).decode()
        cluster = {"server": "https://kube.example.org:6443/", "certificate-authority-data": authority, **(cluster or {})}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", **context}}],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
        }
        path = self.folder / "config"
        path.write_text(yaml.safe_dump(document))
        return str(path)

    def test_a_token_and_an_authority(self) -> None:
        self.patch(os, "environ", {**os.environ, "HTTPS_PROXY": "http://proxy.example.org:3128"})
        access = by_kubeconfig(self.reactor, self.config({"token": "secret"}, namespace="webspaces"))
        self.assertEqual((access.url, access.namespace), ("https://kube.example.org:6443", "webspaces"))
        self.assertEqual((access.ca or "").encode(), self.authority.certificate)
        self.assertEqual(self.token_of(access), "secret")
        self.assertNotIn("secret", repr(access))

    def test_a_client_certificate(self) -> None:
        user = {
            "client-certificate-data": base64.b64encode(self.certificate).decode(),
            "client-key-data": base64.b64encode(self.key).decode(),
        }
        access = by_kubeconfig(self.reactor, self.config(user))
        self.assertEqual((access.certificate, access.key), (self.certificate.decode(), self.key.decode()))
        self.assertEqual((access.namespace, self.token_of(access)), ("default", None))
        self.assertNotIn("PRIVATE", repr(access))

    def test_where_it_is_looked_for(self) -> None:
        (self.folder / ".kube").mkdir()
        Path(self.config({"token": "mine"})).rename(self.folder / ".kube" / "config")
        home = {"HOME": str(self.folder)}
        self.assertEqual(self.token_of(find_access(self.reactor, home, self.folder)), "mine")
        # In a pod its own account counts before a file that happens to lie there, but not before a wish.
        for name, text in (("token", "pod"), ("namespace", "a"), ("ca.crt", "b")):
            (self.folder / name).write_text(text)
        self.assertEqual(self.token_of(find_access(self.reactor, {**POD, **home}, self.folder)), "pod")
        wish = {"KUBECONFIG": self.config({"token": "wish"})}
        self.assertEqual(self.token_of(find_access(self.reactor, {**POD, **wish}, self.folder)), "wish")

    def test_what_cannot_be_used(self) -> None:
        broken = self.folder / "broken"
        broken.write_text("contexts: 3")
        for path in ("/nowhere/config", str(broken)):
            self.assertRaises(Invalid, by_kubeconfig, self.reactor, path)
        for what, value in (("insecure-skip-tls-verify", True), ("proxy-url", "http://proxy.example.org:3128")):
            path = self.config({"token": "t"}, {what: value})
            self.assertIn(what, str(self.assertRaises(Invalid, by_kubeconfig, self.reactor, path)))

    def plugin(self, ends: str) -> Access:
        script = self.folder / "plugin"
        script.write_text(PLUGIN.format(python=sys.executable, counter=str(self.folder / "count"), ends=ends))
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        exec_ = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script), "interactiveMode": "Never"}
        return by_kubeconfig(self.reactor, self.config({"exec": exec_}))

    def test_a_plugin_is_run_again_when_its_token_was_refused(self) -> None:
        access = self.plugin("2999-01-01T00:00:00Z")
        first = self.token_of(access)
        self.clock.advance(TOKEN_LIFETIME + 1)
        self.assertEqual(self.token_of(access), first)
        again = self.token_of(access, renew=True)
        self.assertNotEqual(again, first)
        self.assertEqual(self.token_of(access), again)

    def test_and_when_it_has_ended(self) -> None:
        access = self.plugin("2020-01-01T00:00:00Z")
        first = self.token_of(access)
        self.assertEqual(self.token_of(access), first)
        self.clock.advance(TOKEN_LIFETIME + 1)
        self.assertNotEqual(self.token_of(access), first)

    def test_texts_that_are_no_certificates(self) -> None:
        certificate, key = self.certificate.decode(), self.key.decode()
        for how in ({"ca": "nonsense"}, {"certificate": certificate, "key": "nonsense"}, {"certificate": key, "key": key}):
            access = Access(url="https://127.0.0.1:6443", namespace="w", token=fixed_token(None), **how)
            error = self.assertRaises(Invalid, Connections, self.clock, access)
            self.assertNotIn("PRIVATE", str(error))
        for url in ("", "ftp://127.0.0.1", "127.0.0.1:6443"):
            self.assertRaises(Invalid, Connections, self.clock, Access(url=url, namespace="w", token=fixed_token(None)))
