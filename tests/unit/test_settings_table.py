"""No setting is read by nothing, and each has a test that shows what it does."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.assembled import NETWORK, AssembledCase
from tests.unit.test_settings_kubernetes import ACCESS
from tests.unit.traefik.fake_redis import FakeRedis, FakeThreads
from webspaced import tap
from webspaced.assembly import build as assembly
from webspaced.assembly import cluster, publishing
from webspaced.settings import SETTINGS
from webspaced.settings.schema import SECTIONS
from webspaced.tracing import otel
from webspaced.traefik import redis_server

HERE = "tests.unit.test_settings"
TRAEFIK = "tests.unit.test_settings_traefik"
REDIS = "tests.unit.test_settings_redis.RedisTests"
REAL_REDIS, REDIS_ACCESS = "tests.real.test_redis_server", "tests.real.test_redis_access"
SENTINEL = "tests.real.test_redis_sentinel.SentinelTests"
KUBERNETES = "tests.unit.test_settings_kubernetes.KubernetesTests"
PAGES = "tests.unit.test_settings_wake.PageTests"
WAKE = "tests.unit.test_settings_wake.WakeTests"
HTTP = "tests.unit.test_settings_http.HttpTests"
SLEEP = "tests.unit.test_settings_sleep.SleepTests"
LEADERSHIP = "tests.unit.test_settings_leadership.LeadershipTests"
TLS = "tests.unit.lxd.test_tls"
TRUST = "tests.unit.lxd.test_trust.TrustTests"
LATER = ("tests.unit.test_tap.LaterTests.test_what_is_not_used",)
SHOWN_BY: dict[str, tuple[str, ...]] = {
    "log_level": (f"{HERE}.DaemonTests.test_log_level",),
    "log_format": (f"{HERE}.DaemonTests.test_log_format",),
    "audit_log": ("tests.unit.audit.test_writer.SettingTests.test_where",),
    "data_dir": (
        "tests.unit.settings.test_load.DefaultTests.test_paths_follow_the_data_dir",
        f"{TRAEFIK}.TraefikTests.test_provider_http_and_where_its_copy_lies",
        f"{TRAEFIK}.TraefikTests.test_embedded_and_its_addresses",
    ),
    "tracing.endpoint": ("tests.unit.tracing.test_traces.RequestTests.test_a_boot",),
    "tracing.ratio": ("tests.unit.tracing.test_traces.VisitTests.test_a_part_of_all",),
    "timeouts.startup": (f"{HERE}.DaemonTests.test_timeouts_startup",),
    "timeouts.shutdown": (f"{HERE}.DaemonTests.test_timeouts_shutdown",),
    "iam.provider": (f"{HERE}.IamTests.test_users_file", f"{HERE}.IamTests.test_provider_iamd_with_its_url_and_token"),
    "iam.users_file": (f"{HERE}.IamTests.test_users_file",),
    "iam.url": (f"{HERE}.IamTests.test_provider_iamd_with_its_url_and_token",),
    "iam.token": (f"{HERE}.IamTests.test_provider_iamd_with_its_url_and_token",),
    "iam.grace": (f"{HERE}.IamTests.test_grace",),
    "iam.allow_insecure": (
        f"{HERE}.IamTests.test_provider_iamd_with_its_url_and_token",
        "tests.unit.iam.test_agent.AgentTests.test_it_verifies_unless_told_otherwise_and_says_so_loudly",
    ),
    "lxd.url": (f"{HERE}.LxdTests.test_url",),
    "lxd.member": (f"{HERE}.LxdTests.test_member",),
    "lxd.project": (f"{HERE}.LxdTests.test_project_and_profile",),
    "lxd.tls.ca": (f"{HERE}.LxdTests.test_the_identities", f"{TLS}.CaTests.test_its_own_under_the_right_name_or_address"),
    "lxd.tls.server_cert": (
        f"{HERE}.LxdTests.test_the_identities",
        f"{TLS}.PinnedTests.test_another_of_the_same_name_is_refused",
    ),
    "lxd.tls.client_cert": (
        f"{HERE}.LxdTests.test_the_identities",
        f"{TLS}.PinnedTests.test_our_own_certificate_is_shown_with_its_chain",
    ),
    "lxd.tls.client_key": (
        f"{HERE}.LxdTests.test_the_identities",
        f"{TLS}.PinnedTests.test_our_own_certificate_is_shown_with_its_chain",
    ),
    "lxd.tls.trust_password": (f"{HERE}.LxdTests.test_trust_password", f"{TRUST}.test_a_password_up_to_5_x"),
    "lxd.tls.allow_insecure": (f"{HERE}.LxdTests.test_allow_insecure", f"{TLS}.InsecureTests.test_anybody_is_trusted"),
    "webspaces.lxd_profile": (f"{HERE}.WebspaceTests.test_lxd_profile", f"{HERE}.LxdTests.test_project_and_profile"),
    "webspaces.instance_prefix": (f"{HERE}.WebspaceTests.test_instance_prefix",),
    "webspaces.domain": (f"{HERE}.WebspaceTests.test_domain",),
    "webspaces.config_defaults.startup_delay": (f"{HERE}.WebspaceTests.test_config_defaults",),
    "webspaces.config_defaults.http_port": (f"{HERE}.WebspaceTests.test_config_defaults",),
    "webspaces.config_defaults.sni_passthrough": (f"{HERE}.WebspaceTests.test_config_defaults",),
    "webspaces.config_defaults.protocol": (f"{HERE}.WebspaceTests.test_config_defaults",),
    "webspaces.max_startup_delay": (f"{HERE}.WebspaceTests.test_max_startup_delay",),
    "webspaces.ip_timeout": (f"{HERE}.BootTests.test_ip_timeout",),
    "webspaces.ports.start": (f"{HERE}.PortTests.test_external_range",),
    "webspaces.ports.end": (f"{HERE}.PortTests.test_external_range",),
    "webspaces.ports.max": (f"{HERE}.PortTests.test_max",),
    "webspaces.ports.listen_address": (f"{HERE}.PortTests.test_listen_address",),
    "webspaces.ports.kubernetes_service": (f"{LEADERSHIP}.test_kubernetes_service",),
    "webspaces.domains.max": (f"{HERE}.WebspaceTests.test_domains_max",),
    "webspaces.domains.resolvers": (
        f"{HERE}.WebspaceTests.test_domains_resolvers",
        "tests.unit.test_dns.ServerTests.test_every_record",
    ),
    "webspaces.leases": (f"{HERE}.WebspaceTests.test_leases",),
    "webspaces.fixed_addresses": (f"{HERE}.WebspaceTests.test_fixed_addresses",),
    "webspaces.reserved_names": (f"{HERE}.WebspaceTests.test_reserved_names",),
    "webspaces.networks": (f"{HERE}.WebspaceTests.test_networks",),
    "webspaces.reserved_addresses": (f"{HERE}.WebspaceTests.test_reserved_addresses",),
    "webspaces.waiting": (f"{PAGES}.test_waiting", f"{PAGES}.test_a_members_word"),
    "webspaces.page_after": (f"{PAGES}.test_page_after",),
    "webspaces.pages": (f"{PAGES}.test_pages", f"{PAGES}.test_pages_that_cannot_be_used_end_the_start"),
    "webspaces.wake.agents_ignored": (f"{WAKE}.test_agents_ignored",),
    "webspaces.wake.per_address": (f"{WAKE}.test_per_address", f"{WAKE}.test_0_is_no_bound"),
    "webspaces.boot_ports.start": (f"{HERE}.PortTests.test_boot_ports",),
    "webspaces.boot_ports.end": (f"{HERE}.PortTests.test_boot_ports",),
    "webspaces.exec.timeout": (f"{HERE}.WebspaceTests.test_exec", "tests.unit.http.test_terminals.PlainTests.test_bounds"),
    "webspaces.exec.max_output": (
        f"{HERE}.WebspaceTests.test_exec",
        "tests.unit.http.test_terminals.PlainTests.test_bounds",
    ),
    "webspaces.ready_timeout": (f"{HERE}.BootTests.test_ready_timeout",),
    "webspaces.stop_timeout": (f"{HERE}.StopTests.test_stop_timeout",),
    "webspaces.install_timeout": (f"{HERE}.StopTests.test_install_timeout",),
    "webspaces.drain_time": (f"{HERE}.StopTests.test_drain_time_and_settle_time",),
    "webspaces.max_concurrent_boots": (f"{HERE}.BootTests.test_max_concurrent_boots",),
    "webspaces.max_running": (f"{HERE}.BootTests.test_max_running",),
    "webspaces.max_held": (f"{HERE}.BootTests.test_max_held",),
    "webspaces.max_held_per_webspace": (f"{HERE}.BootTests.test_max_held_per_webspace",),
    "webspaces.exec.max_commands": (f"{HTTP}.test_how_many_commands_and_terminals",),
    "webspaces.exec.max_terminals": (f"{HTTP}.test_how_many_commands_and_terminals",),
    "webspaces.max_per_address": (f"{HERE}.BootTests.test_max_per_address",),
    "webspaces.max_wait": (f"{HERE}.BootTests.test_max_wait",),
    "webspaces.relay_idle_timeout": (f"{HERE}.BootTests.test_relay_idle_timeout",),
    "webspaces.sleep.doze_after": (f"{SLEEP}.test_doze_after_and_look",),
    "webspaces.sleep.stop_after": (f"{SLEEP}.test_stop_after",),
    "webspaces.sleep.look": (f"{SLEEP}.test_doze_after_and_look",),
    "webspaces.sleep.least": (f"{SLEEP}.test_least",),
    "webspaces.sleep.floors.sent": (f"{SLEEP}.test_floors",),
    "webspaces.sleep.floors.received": (f"{SLEEP}.test_floors",),
    "webspaces.sleep.floors.cpu": (f"{SLEEP}.test_floors",),
    "webspaces.sleep.allow": (f"{SLEEP}.test_allow",),
    "webspaces.sleep.max_awake": (f"{SLEEP}.test_max_awake",),
    "webspaces.sleep.wake_every": (f"{SLEEP}.test_wake_every",),
    "webspaces.sleep.time_zone": (f"{SLEEP}.test_time_zone", f"{SLEEP}.test_a_time_zone_that_there_is_not"),
    "webspaces.sleep.memory_low": (f"{SLEEP}.test_memory_low_and_high",),
    "webspaces.sleep.memory_high": (f"{SLEEP}.test_memory_low_and_high",),
    "webspaces.sleep.memory_pressure": (f"{SLEEP}.test_memory_pressure",),
    "webspaces.resync_interval": (f"{HERE}.WebspaceTests.test_resync_interval",),
    "http.listen_address": (f"{HERE}.ListenTests.test_addresses",),
    "http.internal_address": (
        f"{HERE}.ListenTests.test_addresses",
        "tests.unit.traefik.test_embedded.EmbeddedTests.test_routes_that_it_fetches",
    ),
    "http.trusted_proxies": (f"{HTTP}.test_trusted_proxies",),
    "http.cors.allowed_origins": (f"{HTTP}.test_cors_allowed_origins",),
    "http.limits.per_address": (f"{HTTP}.test_limits_per_address", f"{HTTP}.test_limits_of_0_are_none"),
    "http.limits.per_address_burst": (f"{HTTP}.test_limits_per_address",),
    "http.limits.per_user": (f"{HTTP}.test_limits_per_user", f"{HTTP}.test_limits_of_0_are_none"),
    "http.limits.concurrent_per_user": (f"{HTTP}.test_limits_concurrent_per_user",),
    "http.limits.per_user_burst": (f"{HTTP}.test_limits_per_user",),
    "http.limits.connections_per_address": (
        f"{HTTP}.test_limits_connections_per_address",
        f"{HTTP}.test_limits_of_0_are_none",
    ),
    "traefik.provider": (
        f"{TRAEFIK}.TraefikTests.test_provider_file_and_its_path",
        f"{TRAEFIK}.TraefikTests.test_provider_http_and_where_its_copy_lies",
        f"{REDIS}.test_where_it_is",
        f"{KUBERNETES}.test_provider_kubernetes",
    ),
    "traefik.embedded": (f"{TRAEFIK}.TraefikTests.test_embedded_and_its_addresses",),
    "traefik.http_address": (f"{TRAEFIK}.TraefikTests.test_embedded_and_its_addresses",),
    "traefik.https_address": (f"{TRAEFIK}.TraefikTests.test_embedded_and_its_addresses",),
    "traefik.header_timeout": (f"{TRAEFIK}.TraefikTests.test_header_timeout",),
    "traefik.http_entrypoint": (f"{TRAEFIK}.TraefikTests.test_entry_points",),
    "traefik.https_entrypoint": (f"{TRAEFIK}.TraefikTests.test_entry_points",),
    "traefik.cert_resolver": (f"{TRAEFIK}.TraefikTests.test_cert_resolver_and_default_sans",),
    "traefik.default_sans": (f"{TRAEFIK}.TraefikTests.test_cert_resolver_and_default_sans",),
    "traefik.boot_address": (f"{HERE}.ListenTests.test_boot_address",),
    "traefik.settle_time": (f"{HERE}.StopTests.test_drain_time_and_settle_time",),
    "traefik.probe_url": (
        f"{TRAEFIK}.TraefikTests.test_probe_url",
        f"{TRAEFIK}.TraefikTests.test_probe_url_over_tls",
        "tests.real.test_route_stores.FileTests.test_a_generation_tells_what_is_in_effect",
    ),
    "traefik.webspaced_url": (f"{HTTP}.test_webspaced_url",),
    "traefik.iam_token": LATER,
    "traefik.http.token": (
        f"{TRAEFIK}.TraefikTests.test_http_token",
        f"{TRAEFIK}.TraefikTests.test_an_embedded_one_that_fetches_has_a_token_of_its_own",
        "tests.real.test_route_stores.TokenTests.test_traefik_says_it",
    ),
    "traefik.file.path": (f"{TRAEFIK}.TraefikTests.test_provider_file_and_its_path",),
    "leadership.lease": (f"{LEADERSHIP}.test_lease",),
    "leadership.name": (f"{LEADERSHIP}.test_name_and_pod",),
    "leadership.pod": (f"{LEADERSHIP}.test_name_and_pod",),
    "metrics.listen_address": ("tests.unit.test_settings_metrics.MetricsTests.test_listen_address",),
    "metrics.per_webspace": ("tests.unit.test_settings_metrics.MetricsTests.test_per_webspace",),
    "traefik.acme.email": (f"{TRAEFIK}.TraefikTests.test_acme", "tests.real.test_acme.FileTests.test_certificates"),
    "traefik.acme.server": (f"{TRAEFIK}.TraefikTests.test_acme",),
    "traefik.acme.ca": (f"{TRAEFIK}.TraefikTests.test_acme",),
    "traefik.acme.challenge": (f"{TRAEFIK}.TraefikTests.test_acme_by_http",),
    "traefik.redis.addr": (f"{REDIS}.test_where_it_is",),
    "traefik.redis.socket": (f"{REDIS}.test_a_socket", f"{REDIS_ACCESS}.SocketTests.test_a_unix_socket"),
    "traefik.redis.db": (f"{REDIS}.test_where_it_is", f"{REAL_REDIS}.PlaceTests.test_another_database_and_root"),
    "traefik.redis.username": (f"{REDIS}.test_who_we_are", f"{REDIS_ACCESS}.AccessTests.test_it_works_and_is_noticed"),
    "traefik.redis.password": (f"{REDIS}.test_who_we_are", f"{REDIS_ACCESS}.AccessTests.test_it_works_and_is_noticed"),
    "traefik.redis.root_key": (f"{REDIS}.test_the_root_key", f"{REAL_REDIS}.PlaceTests.test_another_database_and_root"),
    "traefik.redis.cert_resolver": (f"{REDIS}.test_the_cert_resolver_is_redis_own_or_the_general_one",),
    **dict.fromkeys(
        (f"traefik.redis.tls.{name}" for name in ("enabled", "ca", "cert", "key")),
        (f"{REDIS}.test_tls", f"{REDIS_ACCESS}.TlsTests.test_both_are_known_to_each_other"),
    ),
    "traefik.redis.tls.insecure_skip_verify": (
        f"{REDIS}.test_tls",
        f"{REDIS_ACCESS}.TlsTests.test_somebody_else_is_not_trusted_unless_told",
    ),
    **dict.fromkeys(
        (f"traefik.redis.sentinel.{name}" for name in ("master_name", "addresses", "username", "password")),
        (f"{REDIS}.test_sentinels", f"{SENTINEL}.test_the_new_master_gets_what_changed_meanwhile"),
    ),
    "traefik.kubernetes.namespace": (f"{KUBERNETES}.test_namespace",),
    "traefik.kubernetes.default_secret": (f"{KUBERNETES}.test_default_secret_and_cluster_issuer",),
    "traefik.kubernetes.cluster_issuer": (f"{KUBERNETES}.test_default_secret_and_cluster_issuer",),
}
"""The tests by key. A setting of later work is shown to be refused or warned of."""


class Recorder:
    """A section of the settings that remembers which were read."""

    def __init__(self, section: Any, prefix: str, read: set[str]) -> None:
        self._section, self._prefix, self._read = section, prefix, read

    def __getattr__(self, name: str) -> Any:
        key, value = self._prefix + name, getattr(self._section, name)
        if key in SECTIONS:
            return Recorder(value, f"{key}.", self._read)
        self._read.add(key)
        return value


class ReadTests(AssembledCase):
    """Every way in which a daemon can be built reads settings; together they read all."""

    def read(self, **settings: Any) -> set[str]:
        """Give what is read when a daemon is built and started."""
        read: set[str] = set()
        self.build(**settings)
        recorded = Recorder(self.settings, "", read)
        self._build_by_tap(recorded)
        self.daemon.privilegedStartService()
        self.daemon.startService()
        self.machine.run_for(1)
        # What LXD tells of the network decides on addresses.
        self.daemon._parts.ground(evolve(NETWORK, local=True))
        return read

    def _build_by_tap(self, settings: Any) -> None:
        build = assembly.build
        self.patch(assembly, "build", lambda _reactor, given: build(self.machine, given))
        self.patch(tap, "_load", lambda _options: settings)
        # The tests' own reactor stays as it is.
        self.patch(tap, "go_by_monotonic_time", lambda _reactor: None)
        # What is only compared with its default to be warned of is not in use.
        self.patch(tap, "_not_used", lambda _settings: [])
        options = tap.Options()
        options.parent = {"nodaemon": True, "logfile": None, "syslog": False, "logger": None}
        (self.daemon,) = tap.makeService(options)
        self.patch(assembly, "build", build)

    def test_what_is_not_in_the_tables_of_later_work_is_read(self) -> None:
        self.patch(publishing, "find_traefik", lambda: "/usr/bin/traefik")
        found = self.read()
        found |= self.read(traefik={"embedded": True}) | self.read(traefik={"provider": "http"})
        self.patch(redis_server, "RedisServer", lambda _address, root, mark: FakeRedis(root, mark))
        self.patch(publishing, "Threads", lambda reactor, *_: FakeThreads(reactor))
        found |= self.read(traefik={"provider": "redis", "embedded": True})
        found |= self.read(traefik={"acme": {"email": "a@example.org"}, "embedded": True})
        self.patch(cluster, "find_access", lambda _reactor: ACCESS)
        found |= self.read(traefik={"provider": "kubernetes", "boot_address": "192.0.2.1"})
        found |= self.read(iam={"url": "https://iam.example.org"})
        found |= self.read(webspaces={"sleep": {"doze_after": "5m"}})
        found |= self.read(metrics={"listen_address": "127.0.0.1:9094"})
        self.patch(otel, "BatchSpanProcessor", SimpleSpanProcessor)
        found |= self.read(tracing={"endpoint": "http://127.0.0.1:4318/v1/traces"})
        later = set(tap.NOT_USED)
        self.assertEqual(sorted(set(SETTINGS) - found - later), [], "read by nothing")
        self.assertEqual(sorted(found & later), [], "in a table of what is not read, but read")
        self.assertEqual(sorted(later - set(SETTINGS)), [], "in a table, but no setting")


class TableTests(SynchronousTestCase):
    def test_each_setting_has_its_tests(self) -> None:
        self.assertEqual(sorted(set(SETTINGS) ^ set(SHOWN_BY)), [])
        for key, tests in SHOWN_BY.items():
            self.assertTrue(tests, key)
            for test in tests:
                self.assertTrue(callable(namedAny(test)), test)

    def test_later_work_is_what_the_tables_of_the_tap_say(self) -> None:
        later = set(tap.NOT_USED)
        self.assertEqual({key for key, tests in SHOWN_BY.items() if tests is LATER}, later)

