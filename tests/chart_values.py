"""Values with which the chart is tested: what it must take, and what it must refuse."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

from harness import places

CHART: Path = places.CHECKOUT / "charts" / "webspaced"

Values = dict[str, Any]

PEM = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"
LEAST: Values = {
    "config": {
        "webspaces": {"domain": "example.org"},
        "lxd": {"url": "https://lxd.example.org:8443"},
        "iam": {"url": "https://iam.example.org/v1"},
    },
    "traefik": {"networks": ["10.244.0.0/16", "fd00::/8"]},
}
"""The least that has to be said."""

FORMER: Values = {
    "image": {"repository": "webspaced", "pullPolicy": "Always", "tag": "1.2.3"},
    "imagePullSecrets": [{"name": "pull"}],
    "nameOverride": "spaces",
    "fullnameOverride": "web",
    "podAnnotations": {"example.org/team": "web"},
    "global": {
        "kubelan": {
            "image": "kubelan:0.2.3",
            "externalConfigMap": "",
            "log_level": "debug",
            "extraServices": ["lxd", "dns/router"],
            "vxlan": {"interface": "lan0", "vni": 7000},
            "hooks": {"change": ["sh", "-c", "true"]},
        }
    },
    "service": {"type": "ClusterIP", "port": 80, "annotations": {"a": "b"}, "spec": {"sessionAffinity": "ClientIP"}},
    "fwdService": {
        "enabled": True,
        "type": "LoadBalancer",
        "dummyPort": 6970,
        "annotations": {"c": "d"},
        "spec": {"loadBalancerIP": "192.0.2.7"},
    },
    "ingress": {
        "enabled": True,
        "className": "traefik",
        "annotations": {"e": "f"},
        "hosts": [{"host": "api.example.org", "paths": [{"path": "/v1", "pathType": "Prefix"}]}],
        "tls": [{"secretName": "api", "hosts": ["api.example.org"]}],
    },
    "startupProbe": {"periodSeconds": 1, "failureThreshold": 31},
    "livenessProbe": {"periodSeconds": 21},
    "terminationGracePeriodSeconds": 61,
    "resources": {"limits": {"memory": "300Mi"}},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "lan", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "config": {
        "log_level": "debug",
        "timeouts": {"startup": "20s", "shutdown": "20s"},
        "iam": {"url": "https://iam.example.org/v1", "allow_insecure": False},
        "lxd": {"url": "https://lxd.example.org:8443", "tls": {"server_cert": PEM, "client_cert": PEM}},
        "webspaces": {
            "domain": "example.org",
            "config_defaults": {"startup_delay": 3, "http_port": 80, "sni_passthrough": False},
            "max_startup_delay": 60,
            "ip_timeout": "15s",
            "ports": {"start": 30000, "end": 40000, "max": 16},
        },
        "http": {"listen_address": ":80", "cors": {"allowed_origins": ["*"]}},
        "traefik": {
            "provider": "kubernetes",
            "kubernetes": {"default_secret": "wildcard", "cluster_issuer": "letsencrypt"},
            "https_entrypoint": "websecure",
        },
    },
    "secrets": {"iamToken": "iam-token", "lxdTrust": "password", "lxdKey": PEM, "traefikIAMToken": "old-token"},
    "staticIP": "172.24.254.2/16",
    # The one that is new.
    "traefik": {"networks": ["172.24.0.254/32"]},
}
"""All values of the chart of the Go daemon, each with something of its own, as far as it can be seen."""


def merged(*layers: Values) -> Values:
    """Give mappings laid over each other, as Helm does with files of values."""
    result: Values = {}
    for layer in layers:
        for key, value in layer.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else deepcopy(value)
    return result


def at(path: str, value: Any) -> Values:
    """Give one value by its dotted key."""
    for name in reversed(path.split(".")):
        value = {name: value}
    return dict(value)


ALICE = {"id": 7, "username": "alice", "token_sha256": "ab" * 32}
EXISTING = {
    "iamToken": {"name": "iam", "key": "token"},
    "lxdCert": {"name": "lxd", "key": "tls.crt"},
    "lxdKey": {"name": "lxd", "key": "tls.key"},
}
_NO_IAM = merged(LEAST, {"config": {"iam": {"url": None}}})

TAKEN: dict[str, Values] = {
    "least": LEAST,
    "former": FORMER,
    "static": merged(_NO_IAM, {"users": [ALICE]}),
    "static-existing": merged(_NO_IAM, {"existingSecrets": {"users": {"name": "members", "key": "users.yaml"}}}),
    "existing-secrets": merged(LEAST, {"existingSecrets": EXISTING}),
    "existing-config": {"existingConfigMap": "settings", **at("config.http.listen_address", ":9080")},
    "elsewhere": merged(LEAST, at("config.traefik.kubernetes.namespace", "routes")),
    "low-ports": merged(LEAST, at("config.http.listen_address", ":80"), at("replicas", 3)),
    "large-numbers": merged(LEAST, at("config.webspaces.exec.max_output", 16777216)),
    "ingress": merged(LEAST, {
        "ingress": {"enabled": True, "hosts": ["api.example.org", {"host": "b.example.org", "paths": ["/v1"]}]},
    }),
    "ingress-route": merged(LEAST, {
        "ingressRoute": {
            "enabled": True, "hosts": ["api.example.org", "api.example.net"], "entryPoints": ["websecure"],
            "middlewares": [{"name": "limits"}], "tls": {"secretName": "api"},
        },
    }),
    "redis": merged(LEAST, at("config.traefik", {"provider": "redis", "redis": {"addr": "redis:6379"}}),
                    at("secrets.redisPassword", "word")),
    "lease-of-lxd": merged(LEAST, at("config.leadership.lease", "lxd")),
    "no-forwards": merged(LEAST, at("fwdService.enabled", value=False)),
    "forwards-inside": merged(LEAST, at("fwdService.type", "ClusterIP")),
    "given-rights": merged(LEAST, at("rbac.create", value=False), {"serviceAccount": {"create": False, "name": "mine"}}),
    "secrets-of-volumes": merged(LEAST, at("secrets.iamToken", ""), {
        "extraVolumes": [{"name": "vault", "csi": {"driver": "secrets-store.csi.k8s.io", "readOnly": True}}],
        "extraVolumeMounts": [{"name": "vault", "mountPath": "/run/vault"}],
    }),
    "digest": merged(LEAST, at("image.digest", "sha256:" + "0" * 64)),
    "bare": merged(LEAST, at("networkPolicy.enabled", value=False), at("podDisruptionBudget.enabled", value=False),
                   at("traefik.headersMiddleware", value=False)),
    "lan-external": merged(LEAST, at("staticIP", "172.24.254.2/16"), at("replicas", 1),
                           at("global.kubelan", {"image": "kubelan", "externalConfigMap": "lan",
                                                 "hooks": {"up": ["sh", "-c", "true"]}})),
    "full-pod": merged(LEAST, {
        "command": ["webspaced"], "args": ["run"], "extraEnv": [{"name": "TZ", "value": "UTC"}], "priorityClassName": "high",
        "podLabels": {"team": "web"}, "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"},
        ],
        "extraVolumes": [{"name": "pages", "configMap": {"name": "pages"}}],
        "extraVolumeMounts": [{"name": "pages", "mountPath": "/etc/webspaced/pages"}],
        "podSecurityContext": {"runAsUser": 20000}, "securityContext": {"privileged": False},
    }),
}  # fmt: skip
"""By name."""
METERED = merged(LEAST, {
    "metrics": {
        "enabled": True,
        "serviceMonitor": {"enabled": True, "labels": {"release": "p"}},
        "prometheusRule": {"enabled": True, "labels": {"release": "p"}},
        "dashboard": {"enabled": True},
    },
})  # fmt: skip
"""With metrics, and all that reads them."""

REFUSED_BY_SCHEMA: dict[str, Values] = {
    "two pods with one address": merged(FORMER, at("replicas", 2)),
    "two pods with the lease in LXD": merged(LEAST, at("config.leadership.lease", "lxd"), at("replicas", 2)),
    "a value that nobody knows": merged(LEAST, at("replicaCount", 2)),
    "an inner value that nobody knows": merged(LEAST, at("image.name", "x")),
    "both ways to the API": merged(TAKEN["ingress"], {"ingressRoute": {"enabled": True, "hosts": ["a.example.org"]}}),
    "an Ingress without hosts": merged(LEAST, at("ingress.enabled", value=True)),
    "an IngressRoute without hosts": merged(LEAST, at("ingressRoute.enabled", value=True)),
    "an address without a prefix": merged(FORMER, at("staticIP", "172.24.254.2")),
    "an embedded Traefik": merged(LEAST, at("config.traefik.embedded", value=True)),
    "routes in a file": merged(LEAST, at("config.traefik.provider", "file")),
    "a secret that nobody knows": merged(LEAST, at("secrets.password", "x")),
    "a ServiceMonitor without metrics": merged(LEAST, at("metrics.serviceMonitor.enabled", value=True)),
    "a port by chance": merged(LEAST, at("config.http.listen_address", ":0")),
    "a tag as digest": merged(LEAST, at("image.digest", "1.0")),
}
"""By what is wrong."""

REFUSED_WITH_WORDS: dict[str, tuple[str, Values]] = {
    "no domain": ("config.webspaces.domain is required", merged(LEAST, at("config.webspaces.domain", None))),
    "no LXD": ("config.lxd.url is required", merged(LEAST, at("config.lxd.url", None))),
    "nobody": ("config.iam.url is required", _NO_IAM),
    "no Traefik": ("traefik.networks is required", merged(LEAST, at("traefik.networks", []))),
    "no sidecar": ("global.kubelan.image is required", merged(LEAST, at("staticIP", "10.0.0.2/8"))),
    "a secret among the settings": ("use secrets.iamToken", merged(LEAST, at("config.iam.token", "x"))),
    "a secret and its file": (
        "config.lxd.tls.client_key_file and the secret lxdKey are both set",
        merged(TAKEN["existing-secrets"], at("config.lxd.tls.client_key_file", "/x")),
    ),
    "a secret twice": ("secrets.iamToken and existing", merged(TAKEN["existing-secrets"], at("secrets.iamToken", "x"))),
    "members twice": ("config.iam.url and users are both", merged(LEAST, {"users": [ALICE]})),
    "a folder that is read-only": ("config.data_dir must be below", merged(LEAST, at("config.data_dir", "/srv"))),
    "settings in two places": (
        "config.log_level belongs in",
        merged(TAKEN["existing-config"], at("config.log_level", "info")),
    ),
    "a permanent port that a member could have": (
        "fwdService.dummyPort must not",
        merged(LEAST, at("fwdService.dummyPort", 50000)),
    ),
    "former: /health": (
        "livenessProbe.httpGet has no place",
        merged(FORMER, at("livenessProbe.httpGet", {"path": "/health"})),
    ),
    "former: startup": ("startupProbe.exec has no place", merged(FORMER, at("startupProbe.exec", {"command": ["true"]}))),
    "former: ports": ("service.spec.ports has no place", merged(FORMER, at("service.spec.ports", []))),
    "former: selector": ("fwdService.spec.selector has no place", merged(FORMER, at("fwdService.spec.selector", {}))),
    "former: another Service": (
        "config.webspaces.ports.kubernetes_service has no place",
        merged(FORMER, at("config.webspaces.ports.kubernetes_service", "mine")),
    ),
}
"""By what is wrong: words of the message, and the values."""
