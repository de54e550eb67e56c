"""A file that a deployment of the former daemon has, with every key that it knew."""

from __future__ import annotations

from pathlib import Path

from tests.unit.settings.loading import LoadingTestCase
from webspaced.settings import Address, Settings, load

PEM = "-----BEGIN {0}-----\nbWFkZSB1cA==\n-----END {0}-----\n"
SECRETS = {
    "iam-token": "admin-token\n",
    "ca": PEM.format("CERTIFICATE"),
    "server": PEM.format("CERTIFICATE"),
    "cert": PEM.format("CERTIFICATE"),
    "key": PEM.format("EC PRIVATE KEY"),
    "password": "let-me-in\n",
    "traefik-token": "traefik-token\n",
}
CONFIG = """\
log_level: debug
timeouts:
  startup: 30s
  shutdown: 1m30s
iam:
  url: https://iam.example.org/v1
  token_file: {folder}/iam-token
  allow_insecure: false
lxd:
  url: https://lxd.example.org:8443
  tls:
    ca_file: {folder}/ca
    server_cert_file: {folder}/server
    client_cert_file: {folder}/cert
    client_key_file: {folder}/key
    trust_password_file: {folder}/password
    allow_insecure: false
webspaces:
  lxd_profile: webspace
  instance_prefix: ws-
  domain: ng.example.org
  config_defaults:
    startup_delay: 3
    http_port: 80
    sni_passthrough: false
  max_startup_delay: 60
  ip_timeout: 15s
  ports:
    start: 49152
    end: 65535
    max: 64
    kubernetes_service: webspaced-ports
http:
  listen_address: ':80'
  cors:
    allowed_origins: ['*']
traefik:
  provider: kubernetes
  redis:
    addr: 127.0.0.1:6379
    db: 0
    cert_resolver: letsencrypt
  kubernetes:
    namespace: webspaces
    default_secret: wildcard
    cluster_issuer: letsencrypt
  https_entrypoint: websecure
  default_sans: ['*.ng.example.org']
  webspaced_url: http://webspaced.webspaces.svc
  iam_token_file: {folder}/traefik-token
"""


class PredecessorTests(LoadingTestCase):
    def old(self) -> Settings:
        folder = Path(self.mktemp()).absolute()
        folder.mkdir()
        for name, text in SECRETS.items():
            (folder / name).write_text(text, encoding="utf-8")
        return load(self.write("webspaced.yaml", CONFIG.format(folder=folder)), {})

    def test_values(self) -> None:
        settings = self.old()
        self.assertEqual(settings.timeouts.shutdown, 90.0)
        self.assertEqual(settings.iam.provider, "iamd")
        self.assertEqual(settings.iam.token, "admin-token")
        self.assertEqual(settings.lxd.url, "https://lxd.example.org:8443")
        self.assertEqual(settings.lxd.tls.client_key, SECRETS["key"].rstrip())
        self.assertEqual(settings.lxd.tls.trust_password, "let-me-in")
        self.assertEqual(settings.webspaces.config_defaults.startup_delay, 3.0)
        self.assertEqual(settings.webspaces.ports.kubernetes_service, "webspaced-ports")
        self.assertEqual(settings.http.listen_address, Address("", 80))
        self.assertEqual(settings.traefik.provider, "kubernetes")
        self.assertEqual(settings.traefik.kubernetes.default_secret, "wildcard")
        self.assertEqual(settings.traefik.default_sans, ("*.ng.example.org",))
        self.assertEqual(settings.traefik.iam_token, "traefik-token")

    def test_new_settings_have_their_defaults(self) -> None:
        settings = self.old()
        self.assertFalse(settings.traefik.embedded)
        self.assertEqual(settings.traefik.settle_time, 2.5)
        self.assertEqual(settings.http.internal_address, Address("127.0.0.1", 8001))
        self.assertEqual(settings.webspaces.boot_ports.start, 20000)

    def test_variables_for_the_secrets(self) -> None:
        path = self.write("w.yaml", "webspaces: {domain: ng.example.org}\nlxd: {url: unix://}\n")
        token = self.write("token", "admin-token\n")
        environ = {"WSD_IAM_TOKEN_FILE": str(token), "WSD_TRAEFIK_REDIS_ADDR": "redis:6379"}
        settings = load(path, environ)
        self.assertEqual(settings.iam.token, "admin-token")
        self.assertEqual(settings.traefik.redis.addr, Address("redis", 6379))
