from __future__ import annotations

import errno
import ipaddress
import os
from pathlib import Path

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.unit.settings.loading import LoadingTestCase
from webspaced.settings import (
    SCHEMA,
    SETTINGS,
    Address,
    Schema,
    Settings,
    Webspaces,
    find_config,
    find_file,
    format_duration,
    load,
)
from webspaced.settings.schema import SECTIONS, TWINS, VARIABLES


class DefaultTests(LoadingTestCase):
    def test_file_with_a_domain_only(self) -> None:
        settings = self.load()
        self.assertEqual(settings.webspaces.domain, "example.org")
        self.assertEqual(settings.http.listen_address, Address("", 80))
        self.assertEqual(settings.webspaces.ports.listen_address, "")
        self.assertFalse(settings.traefik.embedded)
        self.assertEqual(settings.traefik.settle_time, 2.5)

    def test_without_a_file_all_is_on_loopback(self) -> None:
        settings = load(None, {})
        self.assertEqual(settings.http.listen_address, Address("127.0.0.1", 8000))
        self.assertEqual(settings.webspaces.ports.listen_address, "127.0.0.1")
        self.assertEqual(settings.webspaces.domain, "localhost")
        self.assertEqual(settings.traefik.provider, "file")
        self.assertTrue(settings.traefik.embedded)
        self.assertEqual(settings.traefik.settle_time, 10.0)

    def test_variables_go_before_the_defaults_without_a_file(self) -> None:
        settings = load(
            None, {"WSD_WEBSPACES_DOMAIN": "A.example", "WSD_TRAEFIK_EMBEDDED": "false"}
        )
        self.assertEqual(settings.webspaces.domain, "a.example")
        self.assertEqual(settings.traefik.settle_time, 2.5)

    def test_data_dir_as_root(self) -> None:
        self.patch(os, "geteuid", lambda: 0)
        settings = self.load()
        self.assertEqual(settings.data_dir, Path("/var/lib/webspaced"))

    def test_data_dir_as_somebody(self) -> None:
        self.patch(os, "geteuid", lambda: 1000)
        self.patch(os, "environ", {"HOME": "/home/somebody"})
        self.assertEqual(load(None, {}).data_dir, Path("/home/somebody/.local/state/webspaced"))

    def test_paths_follow_the_data_dir(self) -> None:
        settings = self.load("data_dir: /srv/w")
        self.assertEqual(settings.iam.users_file, Path("/srv/w/users.yaml"))
        self.assertEqual(settings.traefik.file.path, Path("/srv/w/traefik/dynamic/webspaced.yml"))

    def test_paths_are_absolute(self) -> None:
        self.assertEqual(self.load("data_dir: w").data_dir, Path.cwd() / "w")

    def test_iam_provider_follows_the_url(self) -> None:
        self.assertEqual(self.load().iam.provider, "static")
        self.assertEqual(self.load("iam: {url: https://iam.example.org/}").iam.provider, "iamd")
        both = self.load("iam: {url: https://iam.example.org, provider: static}")
        self.assertEqual(both.iam.provider, "static")

    def test_settle_time_of_redis(self) -> None:
        self.assertEqual(self.load("traefik: {provider: redis}").traefik.settle_time, 3.0)

    def test_settle_time_where_traefik_is_asked_is_a_bound_that_nobody_waits_for(self) -> None:
        for text in ("{embedded: true}", "{provider: redis, embedded: true}", "{provider: http, probe_url: 'http://[::1]:1'}"):
            self.assertEqual(self.load(f"traefik: {text}").traefik.settle_time, 10.0)

    def test_settle_time_of_an_embedded_traefik_that_cannot_be_asked(self) -> None:
        for provider, seconds in (("file", 0.5), ("http", 0.7), ("redis", 0.8)):
            text = f"traefik: {{embedded: true, provider: {provider}, http_address: '127.0.0.1:0'}}"
            self.assertEqual(self.load(text).traefik.settle_time, seconds)

    def test_settle_time_given_with_an_embedded_traefik(self) -> None:
        settings = self.load("traefik: {embedded: true, settle_time: 1s}")
        self.assertEqual(settings.traefik.settle_time, 1.0)

    def test_classes_alone_have_the_plain_defaults(self) -> None:
        settings = Settings(webspaces=Webspaces(domain="example.org"))
        self.patch(os, "geteuid", lambda: 0)
        self.assertEqual(settings, self.load())

    def test_frozen(self) -> None:
        with self.assertRaises(attrs.exceptions.FrozenInstanceError):
            self.load().log_level = "debug"  # type: ignore[misc]

    def test_every_default_reads_back(self) -> None:
        for key, about in SETTINGS.items():
            if about.default not in {attrs.NOTHING, None}:
                raw = about.kind.raw(about.default)
                self.assertEqual(about.kind.parse(raw), about.default, key)


class SourceTests(LoadingTestCase):
    def test_empty_file_lacks_the_domain_only(self) -> None:
        for text in ("", "# nothing\n", "webspaces:\n", "---\n"):
            lines = self.problems_of(self.write("w.yaml", text))
            self.assertEqual(
                lines, ["webspaces.domain is required, and neither the file nor a variable has it"]
            )

    def test_variables_go_before_the_file(self) -> None:
        settings = self.load("log_level: warn", WSD_LOG_LEVEL="debug", OTHER="x")
        self.assertEqual(settings.log_level, "debug")

    def test_variables_of_keys_with_underscores(self) -> None:
        settings = self.load(
            WSD_WEBSPACES_CONFIG_DEFAULTS_HTTP_PORT="8080",
            WSD_WEBSPACES_BOOT_PORTS_END="25000",
            WSD_HTTP_CORS_ALLOWED_ORIGINS="https://a.example, https://b.example",
            WSD_WEBSPACES_NETWORKS="10.1.0.0/16,fd00::/64",
            WSD_IAM_ALLOW_INSECURE="True",
            WSD_WEBSPACES_CONFIG_DEFAULTS_STARTUP_DELAY="2.5",
        )
        self.assertEqual(settings.webspaces.config_defaults.http_port, 8080)
        self.assertEqual(settings.webspaces.boot_ports.end, 25000)
        origins = ("https://a.example", "https://b.example")
        self.assertEqual(settings.http.cors.allowed_origins, origins)
        networks = (ipaddress.ip_network("10.1.0.0/16"), ipaddress.ip_network("fd00::/64"))
        self.assertEqual(settings.webspaces.networks, networks)
        self.assertIs(settings.iam.allow_insecure, True)
        self.assertEqual(settings.webspaces.config_defaults.startup_delay, 2.5)

    def test_empty_variables_count_as_not_set(self) -> None:
        self.assertEqual(self.load("log_level: warn", WSD_LOG_LEVEL="").log_level, "warn")

    def test_keys_without_a_value_count_as_not_set(self) -> None:
        settings = self.load("iam: {url: '', token: }\ntimeouts:\nlog_level:\n")
        self.assertEqual((settings.iam.url, settings.iam.token), (None, None))
        self.assertEqual(settings.log_level, "info")

    def test_merge_keys_and_anchors(self) -> None:
        settings = self.load(
            """
            webspaces: {ports: &ports {start: 40000, end: 40100}, domain: example.org,
                        boot_ports: {<<: {end: 30100}, start: 30000}}
            """
        )
        self.assertEqual(settings.webspaces.boot_ports.end, 30100)

    def test_one_variable_for_each_key(self) -> None:
        self.assertEqual(len(VARIABLES), len(SETTINGS) + len(TWINS))
        self.assertEqual(set(SECTIONS) & set(SETTINGS), set())

    @given(st.integers(100_000, 10**12))
    def test_durations_survive_the_environment(self, micros: int) -> None:
        text = format_duration(micros / 1e6)
        settings = load(None, {"WSD_WEBSPACES_RESYNC_INTERVAL": text})
        self.assertEqual(settings.webspaces.resync_interval, micros / 1e6)

    def test_local_socket_of_lxd(self) -> None:
        for given_url, expected in (("", ""), ("unix://", ""), ("unix:///s", "unix:///s")):
            self.assertEqual(self.load(f"lxd: {{url: '{given_url}'}}").lxd.url, expected)


class LogLevelTests(LoadingTestCase):
    def test_the_former_daemons_in_any_case(self) -> None:
        for written, level in (
            ("TRACE", "trace"), ("DEBUG", "debug"), ("Info", "info"), ("warning", "warn"), ("WARN", "warn"),
            ("Error", "error"), ("fatal", "fatal"), ("Panic", "panic"),
        ):  # fmt: skip
            self.assertEqual(self.load(f"log_level: {written}").log_level, level)
            self.assertEqual(self.load(WSD_LOG_LEVEL=written).log_level, level)


class BootAddressTests(LoadingTestCase):
    """In a pod it is the pod's own, if nobody says otherwise."""

    POD = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}  # noqa: RUF012

    def found(self, text: str = "", **environ: str) -> str:
        return str(self.load(text, **environ).traefik.boot_address)

    def test_elsewhere_it_is_on_loopback(self) -> None:
        self.assertEqual(self.found(POD_IP="10.1.2.3"), "127.0.0.1")

    def test_the_downward_api_says_it(self) -> None:
        for name in ("POD_IP", "WSD_POD_IP"):
            self.assertEqual(self.found(**self.POD, **{name: "10.1.2.3"}), "10.1.2.3")
        self.assertEqual(self.found(**self.POD, POD_IP="fd00::7"), "fd00::7")

    def test_else_it_is_where_the_api_server_is_reached_from(self) -> None:
        # On loopback that is the server's own address.
        self.assertEqual(self.found(KUBERNETES_SERVICE_HOST="127.0.0.9"), "127.0.0.1")

    def test_what_is_set_counts(self) -> None:
        self.assertEqual(self.found("traefik: {boot_address: 10.9.9.9}", **self.POD, POD_IP="10.1.2.3"), "10.9.9.9")
        self.assertEqual(self.found("traefik: {embedded: true}", **self.POD, POD_IP="10.1.2.3"), "127.0.0.1")

    def test_a_variable_that_is_none_is_told(self) -> None:
        (line,) = self.problems("", **self.POD, POD_IP="nonsense")
        self.assertIn("traefik.boot_address", line)


class SecretTests(LoadingTestCase):
    def test_the_line_break_at_the_end_of_a_text_is_no_part_of_it_either(self) -> None:
        self.assertEqual(self.load('iam: {token: "s3cret \\n"}').iam.token, "s3cret ")
        self.assertEqual(self.load(WSD_TRAEFIK_REDIS_PASSWORD="x\r\n").traefik.redis.password, "x")

    def test_read_from_a_file_without_its_last_line_break(self) -> None:
        path = self.write("token", "s3cret \r\n")
        settings = self.load(f"iam: {{token_file: {path}}}")
        self.assertEqual(settings.iam.token, "s3cret ")

    def test_never_shown(self) -> None:
        key = "-----BEGIN PRIVATE KEY-----\\nhushhush\\n"
        settings = self.load(
            f"""
            iam: {{token: hushhush}}
            lxd: {{tls: {{trust_password: hushhush, client_key: "{key}",
                          client_cert: "-----BEGIN CERTIFICATE-----\\npublic"}}}}
            traefik: {{iam_token: hushhush}}
            """
        )
        self.assertEqual(settings.lxd.tls.trust_password, "hushhush")
        self.assertNotIn("hushhush", repr(settings))
        self.assertIn("public", repr(settings))

    def test_both_a_value_and_a_file(self) -> None:
        lines = self.problems("iam: {token_file: /x}", WSD_IAM_TOKEN="hushhush")
        self.assertEqual(
            lines, ["FILE: iam.token_file: is set, but so is iam.token by WSD_IAM_TOKEN"]
        )

    def test_missing_file(self) -> None:
        lines = self.problems("", WSD_LXD_TLS_CA_FILE="/nowhere/ca")
        expected = "WSD_LXD_TLS_CA_FILE: lxd.tls.ca_file: '/nowhere/ca' cannot be read"
        self.assertEqual(lines, [f"{expected}: No such file or directory"])

    def test_forbidden_file(self) -> None:
        def forbid(_path: Path, **_options: str) -> str:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        # Root, as whom tests may run, is forbidden nothing.
        self.patch(Path, "read_text", forbid)
        lines = self.problems("", WSD_IAM_TOKEN_FILE="/t")
        expected = "iam.token_file: '/t' cannot be read: Permission denied"
        self.assertEqual(lines, [f"WSD_IAM_TOKEN_FILE: {expected}"])

    def test_empty_file_and_file_of_bytes(self) -> None:
        empty, binary = self.write("empty", "\n"), self.write("binary", "")
        binary.write_bytes(b"\xff\xfe\x00")
        lines = self.problems(
            f"iam: {{token_file: {empty}}}\ntraefik: {{iam_token_file: {binary}}}"
        )
        self.assertEqual(
            lines,
            [
                "FILE: iam.token_file: the value is empty",
                "FILE: traefik.iam_token_file: names a file that is not text in UTF-8",
            ],
        )

    def test_a_path_where_the_text_belongs(self) -> None:
        lines = self.problems("lxd: {tls: {ca: /etc/hushhush.pem}}")
        self.assertEqual(lines, ["FILE: lxd.tls.ca: must be PEM text itself, not a path"])

    def test_mistakes_do_not_tell_secrets(self) -> None:
        texts = (
            "iam: {token: *hushhush}",
            "iam: {token: !hushhush x}",
            "iam: {token: 'hushhush}",
            "iam:\n  token: hushhush: more",
            "iam: {token: [hushhush]}",
            "iam: {url: 'https://me:hushhush@iam.example.org'}",
        )
        for text in texts:
            self.assertNotIn("hushhush", "\n".join(self.problems(text)), text)


class FindConfigTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.here, run, etc = (Path(self.mktemp()) for _ in range(3))
        for folder in (self.here, run, etc):
            folder.mkdir()
        self.schema = Schema(Settings, name="some", prefix="SOME_", folders=(run, etc))
        self.system, self.packaged = run / "some.yaml", etc / "some.yaml"

    def find(self) -> Path | None:
        return find_file(self.schema, self.here)

    def test_none(self) -> None:
        self.assertIsNone(self.find())

    def test_system(self) -> None:
        self.system.touch()
        self.assertEqual(self.find(), self.system)

    def test_of_a_package(self) -> None:
        self.packaged.touch()
        self.assertEqual(self.find(), self.packaged)

    def test_of_a_pod_before_that_of_a_package(self) -> None:
        self.packaged.touch()
        self.system.touch()
        self.assertEqual(self.find(), self.system)

    def test_working_directory_first(self) -> None:
        self.system.touch()
        (self.here / "some.yaml").touch()
        self.assertEqual(self.find(), self.here / "some.yaml")

    def test_of_webspaced_itself(self) -> None:
        paths = ["/run/config/webspaced.yaml", "/etc/webspaced/webspaced.yaml"]
        self.assertEqual(list(map(str, SCHEMA.system_files)), paths)
        (self.here / "webspaced.yaml").touch()
        self.assertEqual(find_config(self.here), self.here / "webspaced.yaml")
