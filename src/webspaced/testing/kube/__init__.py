"""An API server of Kubernetes in memory, for tests of what webspaced and Traefik do with one.

It does: create, get, list with label selectors (in pages), replace, merge patch, server-side apply with owners of fields,
delete with preconditions; resourceVersions that rise only with real changes; watches with bookmarks, time limits, and 410
for what it forgot; what Services and EndpointSlices are given and refused (nodePorts, headless Services, loopback
addresses, the immutable addressType). ``tests/contracts/kube_api.py`` runs on it and on a real kube-apiserver.

It does not: know schemas of custom resources, so nothing of them is pruned or refused; keep ``managedFields``; know
authorization (one token, or none), admission, finalizers, owners of objects, subresources, discovery, strategic merge
patches (415 for all kinds, where a real one refuses custom resources only), or field selectors. A list in pages that is
overrun by a change is forgotten at once (410). A watch that asks for
``sendInitialEvents`` is refused (422), as by servers before 1.32; clients then list first.
"""

from webspaced.testing.kube.emulator import KubeEmulator

__all__ = ["KubeEmulator"]
