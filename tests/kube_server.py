"""The real Kubernetes API of a run of tests, with the custom resources that webspaced uses.

``make test`` finds or builds the programs (``harness/kube.py``) and says where they are. Everything here blocks.
"""

from __future__ import annotations

import atexit
import os
from pathlib import Path
from unittest import SkipTest

import yaml
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from harness import kube_server
from harness.kube import Programs
from tests.crds import custom_resource_definitions

APISERVER_VARIABLE, ETCD_VARIABLE = "WEBSPACED_TEST_KUBE_APISERVER", "WEBSPACED_TEST_ETCD"
RBAC = kube_server.RBAC


def programs() -> Programs:
    """Give kube-apiserver and etcd; skips the test where there are none."""
    apiserver, etcd = os.environ.get(APISERVER_VARIABLE), os.environ.get(ETCD_VARIABLE)
    if not apiserver or not etcd:
        message = f"no kube-apiserver ({APISERVER_VARIABLE}, {ETCD_VARIABLE}): run them by `make test`"
        raise SkipTest(message)
    return Programs(etcd=Path(etcd), apiserver=Path(apiserver))


class KubeServer(kube_server.KubeServer):
    """Has rights as files have them."""

    def allow(self, user: str, roles: Path, namespace: str) -> None:
        """Give a user the roles of a file in a namespace."""
        self.give(user, yaml.safe_load_all(roles.read_text()), namespace)

    def write_kubeconfig(self, path: Path, token: str, namespace: str) -> None:
        """Write what leads whoever has a token to a namespace."""
        cluster = {"server": self.url, "certificate-authority": str(self.authority)}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u", "namespace": namespace}}],
        }
        path.write_text(yaml.safe_dump(document))
        path.chmod(0o600)


def _key() -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())


_shared: list[KubeServer] = []
USERS = ("webspaced", "traefik")


def shared_server() -> KubeServer:
    """Give the one of this run of tests, started when it is first asked for; it ends with the process."""
    if not _shared:
        server = KubeServer(programs(), _key(), USERS)
        try:
            server.start(custom_resource_definitions())
        except BaseException:
            server.delete()
            raise
        _shared.append(server)
        atexit.register(end_shared_server)
    return _shared[0]


def end_shared_server() -> None:
    """End it."""
    while _shared:
        _shared.pop().delete()
