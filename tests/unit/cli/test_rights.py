"""The rights that ``webspaced check`` asks about are those that the deployments are given."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from webspaced.cli.rights import lacking_rights, rights
from webspaced.kube.resources import Resource

RBAC = Path(__file__).parents[3] / "deploy" / "rbac" / "webspaced.yaml"
OLD = ("endpoints", "traefik.containo.us")
"""What is there for `webspaced adopt` alone."""


def settings(*, issuer: str | None = "ours") -> Any:
    """Give those with everything in Kubernetes."""
    return SimpleNamespace(
        leadership=SimpleNamespace(lease="kubernetes"),
        webspaces=SimpleNamespace(ports=SimpleNamespace(kubernetes_service="forwarding")),
        traefik=SimpleNamespace(
            provider="kubernetes", kubernetes=SimpleNamespace(cluster_issuer=issuer, namespace="routes")
        ),
    )


def granted() -> set[tuple[str, str, str]]:
    """Give group, kind and verb of each right in the file."""
    rules = [rule for each in yaml.safe_load_all(RBAC.read_text()) for rule in (each or {}).get("rules") or ()]
    return {
        (group, kind, verb)
        for rule in rules for group in rule["apiGroups"] for kind in rule["resources"] for verb in rule["verbs"]
        if not {group, kind} & set(OLD)
    }  # fmt: skip


class RightsTests(SynchronousTestCase):
    def test_they_are_those_that_are_granted(self) -> None:
        asked = {
            (each.resource.group, each.resource.plural, verb)
            for each in rights(settings(), "pods") for verb in each.verbs
        }  # fmt: skip
        self.assertEqual(asked, granted())

    def test_without_an_issuer_none_for_certificates(self) -> None:
        kinds = {each.resource.plural for each in rights(settings(issuer=None), "pods")}
        self.assertEqual(("secrets" in kinds, "certificates" in kinds), (True, False))

    def test_what_is_missing_is_named_with_its_verbs(self) -> None:
        async def may(verb: str, resource: Resource, namespace: str) -> bool:
            self.assertEqual(namespace, "pods" if resource.plural in {"leases", "pods"} else namespace)
            return not (resource.plural == "secrets" and verb in {"list", "watch"})

        cluster: Any = SimpleNamespace(client=SimpleNamespace(may=may), namespace="pods")
        lacking = self.successResultOf(Deferred.fromCoroutine(lacking_rights(cluster, settings())))
        self.assertEqual(lacking, ["list, watch secrets"])
