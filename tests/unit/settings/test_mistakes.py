from __future__ import annotations

import re
from pathlib import Path

from tests.unit.settings.loading import LoadingTestCase


class FileTests(LoadingTestCase):
    def test_missing(self) -> None:
        lines = self.problems_of(Path("/nowhere/w.yaml"))
        self.assertEqual(lines, ["FILE: cannot be read: No such file or directory"])

    def test_folder(self) -> None:
        lines = self.problems_of(Path("/"))
        self.assertIn("cannot be read: Is a directory", lines[0])

    def test_syntax_tells_the_line_and_variables_are_still_read(self) -> None:
        path = self.write("w.yaml", "log_level: info\niam: [\n")
        lines = self.problems_of(path, WSD_LOG_LEVEL="loud")
        self.assertEqual(len(lines), 2)
        self.assertIn("FILE: is not YAML, line 3, column 1:", lines[0])
        self.assertIn("WSD_LOG_LEVEL: log_level: must be one of trace, ", lines[1])

    def test_tabs_and_second_documents(self) -> None:
        self.assertIn("line 2", self.problems_of(self.write("w.yaml", "iam:\n\turl: x\n"))[0])
        self.assertIn("is not YAML", self.problems_of(self.write("w.yaml", "a: 1\n---\nb: 1\n"))[0])

    def test_not_a_text(self) -> None:
        path = self.write("w.yaml", "")
        for content in (b"\xff\xff\xff", b"a: \x00\n", b"a: \x07\n"):
            path.write_bytes(content)
            expected = "FILE: is not YAML: it holds bytes or characters that no text has"
            self.assertEqual(self.problems_of(path), [expected])

    def test_value_that_yaml_cannot_build(self) -> None:
        lines = self.problems_of(self.write("w.yaml", "log_level: 2001-99-99\n"))
        self.assertEqual(lines, ["FILE: is not YAML: a value that cannot be read"])

    def test_not_a_mapping(self) -> None:
        lines = self.problems_of(self.write("w.yaml", "- a\n"))
        self.assertEqual(lines[0], "FILE: must be a section with keys of its own, not a list")

    def test_key_given_twice(self) -> None:
        lines = self.problems("iam:\n  url: https://a.example\n  url: https://b.example\n")
        self.assertEqual(lines, ["FILE: iam.url: is given again in line 4"])


class KeyTests(LoadingTestCase):
    def test_unknown_key(self) -> None:
        lines = self.problems(
            "webspaces: {domain: a.example, ports: {strat: 1}}\nxyzzy: 1\n80: 1\n"
        )
        self.assertEqual(
            lines,
            [
                "FILE: webspaces.ports.strat: unknown key; did you mean webspaces.ports.start?",
                "FILE: xyzzy: unknown key",
                "FILE: 80: unknown key",
            ],
        )

    def test_unknown_section(self) -> None:
        lines = self.problems("traefic: {provider: file}")
        self.assertEqual(lines, ["FILE: traefic: unknown key; did you mean traefik?"])

    def test_unknown_variable(self) -> None:
        lines = self.problems("", WSD_HTTP_LISTEN_ADRESS=":80", WSD_XYZZY="1")
        self.assertEqual(
            lines,
            [
                "WSD_HTTP_LISTEN_ADRESS: unknown variable; did you mean WSD_HTTP_LISTEN_ADDRESS?",
                "WSD_XYZZY: unknown variable",
            ],
        )

    def test_only_secrets_have_files(self) -> None:
        lines = self.problems("iam: {url_file: /x}")
        self.assertIn("FILE: iam.url_file: unknown key", lines[0])

    def test_value_in_place_of_a_section(self) -> None:
        lines = self.problems("timeouts: 30s")
        self.assertEqual(
            lines, ["FILE: timeouts: must be a section with keys of its own, not '30s'"]
        )

    def test_dotted_key(self) -> None:
        lines = self.problems("iam.url: https://iam.example.org")
        self.assertEqual(lines, ["FILE: iam.url: must be written as nested sections"])

    def test_keys_cannot_break_lines(self) -> None:
        lines = self.problems('"a\\nb": 1')
        self.assertEqual(lines, ["FILE: 'a\\nb': unknown key"])


WRONG = {
    "log_level: loud": (
        "log_level: must be one of trace, debug, info, warn, error, fatal, panic, warning, not 'loud'"
    ),
    "log_level: 1": "log_level: must be text (put it in quotes), not 1",
    "timeouts: {startup: 30}": "timeouts.startup: must be a duration with its unit,",
    "timeouts: {startup: false}": "timeouts.startup: must be a duration with its unit,",
    "timeouts: {startup: 5 minutes}": "timeouts.startup: must be a duration such as",
    "timeouts: {startup: -5s}": "timeouts.startup: must be a duration such as",
    "timeouts: {startup: 99999h}": "timeouts.startup: must be a duration between 0s and",
    "iam: {allow_insecure: 1}": "iam.allow_insecure: must be true or false, not 1",
    "iam: {allow_insecure: maybe}": "iam.allow_insecure: must be true or false, not 'maybe'",
    "iam: {url: iam.example.org}": "iam.url: must be a URL such as https://example.org",
    "iam: {url: 'https://[::1'}": "iam.url: must be a URL such as https://example.org",
    "iam: {url: 'https://a:99999'}": "iam.url: must be a URL such as https://example.org",
    "iam: {token: 12345}": "iam.token: must be text (put it in quotes)",
    "lxd: {url: 'http://a'}": "lxd.url: must be unix:///path/to/socket or https://host[:port]",
    "lxd: {url: 'https://a/1.0'}": "lxd.url: must be unix:///path/to/socket or https://host[:port]",
    "lxd: {project: a b}": "lxd.project: must be a name without spaces, not 'a b'",
    "data_dir: ~nobodybythisname/x": "data_dir: begins with ~, but there is no such home directory",
    "http: {listen_address: 80}": "http.listen_address: must be text (put it in quotes), not 80",
    "http: {listen_address: '80'}": "http.listen_address: must be host:port, :port or",
    "http: {listen_address: ':70000'}": "http.listen_address: must be host:port, :port or",
    "http: {cors: {allowed_origins: {}}}": "allowed_origins: must be a list, not a mapping",
    "http: {cors: {allowed_origins: [example.org]}}": "number 1, which must be an origin such as https://example.org",
    "http: {cors: {allowed_origins: ['*', 1]}}": "has a wrong element, number 2, which must be text",
    "traefik: {provider: consul}": "traefik.provider: must be one of file, http, redis",
    "traefik: {boot_address: localhost}": "traefik.boot_address: must be an IP address",
    "traefik: {default_sans: '*.a.example,b_c'}": "number 2, which must be a DNS name",
    "traefik: {settle_time: -1}": "traefik.settle_time: must be a duration with its unit",
    "traefik: {redis: {db: -1}}": "traefik.redis.db: must be a whole number at least 0, not -1",
    "traefik: {redis: {db: 1.5}}": "traefik.redis.db: must be a whole number, not 1.5",
    "traefik: {redis: {root_key: /traefik}}": "traefik.redis.root_key: must be letters, digits, _.:- and single slashes",
    "traefik: {redis: {root_key: 'a*'}}": "traefik.redis.root_key: must be letters, digits, _.:- and single slashes",
    "traefik: {acme: {email: admin}}": "traefik.acme.email: must be an e-mail address, not 'admin'",
    "traefik: {http_entrypoint: a.b}": "traefik.http_entrypoint: must be letters, digits, - and _",
}

WRONG_OF_WEBSPACES = {
    "domain: a_b": "domain: must be a DNS name such as example.org, not 'a_b'",
    "domain: ''": "domain: must be a DNS name such as example.org, not ''",
    "instance_prefix: ''": "instance_prefix: must be 1 to 31 letters, digits and hyphens",
    "instance_prefix: 9-": "instance_prefix: must be 1 to 31 letters, digits and hyphens",
    "max_startup_delay: -1": "max_startup_delay: must be a number at least 0, not -1",
    "max_startup_delay: .nan": "max_startup_delay: must be a number, not nan",
    "max_startup_delay: true": "max_startup_delay: must be a number, not true",
    "config_defaults: {http_port: 0}": "http_port: must be a whole number between 1 and 65535",
    "config_defaults: {http_port: true}": "http_port: must be a whole number, not true",
    "ports: {listen_address: '127.0.0.1:80'}": "ports.listen_address: must have an IP address or",
    "networks: [10.0.0.1/8]": "networks: has a wrong element, number 1, which must be a network",
    "reserved_addresses: [10.0.0.0/8]": "number 1, which must be an IP address",
    "max_concurrent_boots: 0": "max_concurrent_boots: must be a whole number at least 1, not 0",
    "resync_interval: 0": "resync_interval: must be a duration between 100ms and",
}


class ValueTests(LoadingTestCase):
    def test_each_is_told_with_its_key(self) -> None:
        for text, expected in WRONG.items():
            if expected is not None:
                lines = self.problems(text)
                self.assertEqual(len(lines), 1, text)
                self.assertTrue(lines[0].startswith("FILE: "), lines)
                self.assertIn(expected, lines[0])

    def test_each_of_webspaces(self) -> None:
        for text, expected in WRONG_OF_WEBSPACES.items():
            domain = "" if text.startswith("domain") else "domain: example.org, "
            lines = self.problems(f"webspaces: {{{domain}{text}}}")
            self.assertEqual(len(lines), 1, text)
            self.assertIn(expected, lines[0])

    def test_quoted_numbers_are_numbers(self) -> None:
        settings = self.load("traefik: {redis: {db: '3'}, embedded: 'true'}")
        self.assertEqual((settings.traefik.redis.db, settings.traefik.embedded), (3, True))

    def test_all_are_told_at_once(self) -> None:
        lines = self.problems(
            """
            log_level: loud
            unknown: 1
            webspaces: {ports: {start: 0}}
            """,
            WSD_TIMEOUTS_STARTUP="soon",
            WSD_NONSENSE="1",
        )
        keys = [line.partition(": ")[2].partition(":")[0] for line in lines]
        self.assertEqual(
            keys,
            [
                "unknown",
                "unknown variable",
                "log_level",
                "timeouts.startup",
                "webspaces.ports.start",
                "",
            ],
        )
        self.assertIn("webspaces.domain is required", lines[-1])

    def test_long_values_are_cut(self) -> None:
        self.assertLess(len(self.problems(f"log_level: {'x' * 1000}")[0]), 200)


class RuleTests(LoadingTestCase):
    def one(self, text: str, **environ: str) -> str:
        lines = self.problems(text, **environ)
        self.assertEqual(len(lines), 1, lines)
        return lines[0]

    def test_range_upside_down_names_what_was_given(self) -> None:
        line = self.one("webspaces: {domain: a.example, ports: {end: 40000}}")
        expected = "webspaces.ports.start (49152) must not be above webspaces.ports.end (40000)"
        self.assertEqual(line, f"FILE: webspaces.ports.end: {expected}")

    def test_boot_ports_upside_down(self) -> None:
        line = self.one("", WSD_WEBSPACES_BOOT_PORTS_START="30000")
        self.assertTrue(
            line.startswith("WSD_WEBSPACES_BOOT_PORTS_START: webspaces.boot_ports.start: ")
        )

    def test_ranges_apart(self) -> None:
        line = self.one("webspaces: {domain: a.example, ports: {start: 29999}}")
        expected = "webspaces.ports (29999 to 65535) and webspaces.boot_ports (20000 to 29999)"
        self.assertIn(f"{expected} must not have ports in common", line)
        self.assertIn("webspaces.boot_ports.start: 19999 and .end: 29998 are free", line)
        self.load("webspaces: {domain: a.example, ports: {start: 30000}}")
        self.load("webspaces: {domain: a.example, ports: {start: 10000, end: 19999}}")

    def test_where_there_is_room_for_boot_ports_is_said_and_true(self) -> None:
        for start, end in ((9000, 40000), (15000, 65535), (9500, 60000), (9100, 64000)):
            line = self.one(f"webspaces: {{domain: a.example, ports: {{start: {start}, end: {end}}}}}")
            found = re.search("start: ([0-9]+) and .end: ([0-9]+) are free", line)
            assert found is not None, line
            self.load(
                f"webspaces: {{domain: a.example, ports: {{start: {start}, end: {end}}},"
                f" boot_ports: {{start: {found[1]}, end: {found[2]}}}}}"
            )
        line = self.one("webspaces: {domain: a.example, ports: {start: 8500, end: 65535}}")
        self.assertIn("end webspaces.ports earlier or begin it later", line)

    def test_listeners_outside_the_ranges(self) -> None:
        line = self.one("http: {listen_address: ':50000'}")
        self.assertIn(
            "the port of http.listen_address (50000) must not be among webspaces.ports", line
        )
        line = self.one("http: {internal_address: '127.0.0.1:20000'}")
        self.assertIn("must not be among webspaces.boot_ports (20000 to 29999)", line)

    def test_listeners_of_traefik_count_when_embedded(self) -> None:
        text = "traefik: {http_address: ':20000', embedded: %s}"
        self.load(text % "false")
        self.assertIn("the port of traefik.http_address (20000)", self.one(text % "true"))

    def test_listeners_apart(self) -> None:
        line = self.one("http: {listen_address: ':8001'}")
        expected = "http.listen_address (:8001) and http.internal_address (127.0.0.1:8001)"
        self.assertEqual(
            line, f"FILE: http.listen_address: {expected} must not be the same address"
        )
        self.load("http: {listen_address: '127.0.0.2:8001'}")
        self.load("http: {listen_address: '127.0.0.1:0', internal_address: '127.0.0.1:0'}")

    def test_startup_delay_within_what_members_may_set(self) -> None:
        line = self.one("webspaces: {domain: a.example, max_startup_delay: 2.5}")
        self.assertIn("webspaces.config_defaults.startup_delay (3) must not be above", line)

    def test_held_connections(self) -> None:
        self.assertIn("max_held (100)", self.one("webspaces: {domain: a.example, max_held: 100}"))

    def test_iamd_needs_its_url(self) -> None:
        self.assertIn("needs iam.url", self.one("iam: {provider: iamd}"))

    def test_the_embedded_traefik_reads_no_cluster(self) -> None:
        self.load("traefik: {provider: kubernetes}")
        self.assertIn("Traefik runs in the cluster", self.one("traefik: {provider: kubernetes, embedded: true}"))

    def test_names_of_a_cluster_are_in_lower_case(self) -> None:
        text = "webspaces: {domain: a.example, instance_prefix: Ws-}\ntraefik: {provider: %s}"
        self.load(text % "file")
        self.assertIn("instance_prefix (Ws-) must be in lower case", self.one(text % "kubernetes"))

    def test_client_identity_is_whole(self) -> None:
        line = self.one("lxd: {tls: {client_cert: '-----BEGIN CERTIFICATE-----'}}")
        self.assertIn("lxd.tls.client_cert and lxd.tls.client_key must be given together", line)

    def test_what_means_something_only_together(self) -> None:
        for text, expected in (
            ("redis: {tls: {enabled: true, cert: '-----BEGIN CERTIFICATE-----'}}", "tls.cert and traefik.redis.tls.key"),
            ("redis: {sentinel: {master_name: a}}", "master_name and traefik.redis.sentinel.addresses must be given"),
            ("redis: {socket: /s, tls: {enabled: true}}", "socket and traefik.redis.tls.enabled must not be given"),
            ("redis: {tls: {ca: '-----BEGIN CERTIFICATE-----'}}", "tls.ca means nothing unless traefik.redis.tls.enabled"),
            ("redis: {tls: {insecure_skip_verify: true}}", "insecure_skip_verify means nothing unless"),
            ("acme: {email: a@example.org}", "traefik.acme.email means nothing unless traefik.embedded is true"),
        ):
            self.assertIn(expected, self.one(f"traefik: {{{text}}}"))
        self.load("traefik: {embedded: true, acme: {email: a@example.org}}")

    def test_a_socket_has_no_sentinels(self) -> None:
        line = self.one("traefik: {redis: {socket: /s, sentinel: {master_name: a, addresses: ['b:1']}}}")
        self.assertIn("socket and traefik.redis.sentinel.master_name must not be given together", line)

    def test_nobody_issues_certificates_for_localhost(self) -> None:
        for domain in ("localhost", "a.localhost"):
            line = self.one(f"webspaces: {{domain: {domain}}}\ntraefik: {{embedded: true, acme: {{email: a@example.org}}}}")
            self.assertIn(f"nobody issues certificates for webspaces.domain, {domain}", line)

    def test_rules_do_not_repeat_a_mistake(self) -> None:
        self.assertIn("must be a whole number", self.one("", WSD_WEBSPACES_PORTS_START="many"))
