"""The image does what the chart expects of it, and is small."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from harness import places, sbom
from tests.package.image import image

LIMIT = 120_000_000
SETTINGS = """
data_dir: /var/lib/webspaced/data
lxd: {url: unix:///run/lxd/unix.socket}
webspaces: {domain: example.org, boot_ports: {start: 20000, end: 20019}, config_defaults: {http_port: 8080}}
http: {listen_address: ":8000"}
iam: {provider: static}
"""
SERVE = """
id -u
sleep 100 | python3 -m webspaced.testing.lxd.process /run/lxd 127.0.0.1/8 &
touch /opt/strange 2>&1
"$@" >/tmp/log 2>&1 & daemon=$!
for _ in $(seq 100); do
    webspaced status >/tmp/status 2>&1 && break
    sleep 0.2
done
cat /tmp/status
eval "$HEALTH" && echo healthy
kill $daemon; wait $daemon; echo "ended with $?"
eval "$HEALTH" 2>/dev/null || echo 'not healthy'
cat /tmp/log
"""


class ImageTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.image = image()

    def test_it_serves_in_a_pod_with_the_settings_that_are_mounted(self) -> None:
        config = self.image.config()
        settings = Path(self.mktemp()).resolve()
        settings.write_text(SETTINGS)
        kind, *health = config["Healthcheck"]["Test"]
        self.assertEqual(kind, "CMD")
        quoted = " ".join("'" + word.replace("'", "'\\''") + "'" for word in health)
        told = self.image.run(settings, "env", f"HEALTH={quoted}", "sh", "-c", SERVE, "sh", *config["Entrypoint"])
        self.assertEqual(told.splitlines()[0], "10001", told)
        self.assertIn("Read-only file system", told)
        self.assertIn(": ready, leads", told)
        self.assertEqual(
            [line for line in told.splitlines() if "healthy" in line or "ended" in line][:3],
            ["healthy", "ended with 143", "not healthy"], told,
        )  # fmt: skip
        self.assertNotIn("Error processing", told)

    def test_it_names_a_user_that_is_not_root(self) -> None:
        self.assertEqual(self.image.config()["User"], "10001:10001")

    def test_it_is_small(self) -> None:
        # All of it as it is sent, Debian too; and unpacked what is not Debian's.
        self.assertLess(self.image.packed(), LIMIT)
        self.assertLess(self.image.added(), LIMIT)

    def test_it_has_no_traefik_and_no_installer(self) -> None:
        programs = {path.name for path in (self.image.root / "opt/webspaced/bin").iterdir()}
        self.assertIn("twistd", programs)
        self.assertFalse({"traefik", "pip", "pip3"} & programs)

    def test_the_list_of_components_names_what_is_in_it(self) -> None:
        target = Path(self.mktemp())
        sbom.write(places.CHECKOUT / "requirements" / "image.lock", target)
        document = json.loads(target.read_text())
        self.assertEqual(document["bomFormat"], "CycloneDX")
        self.assertEqual(document["metadata"]["component"]["name"], "webspaced")
        listed = {(each["name"].lower(), each["version"]) for each in document["components"]}
        site = next((self.image.root / "opt/webspaced/lib").glob("python3*/site-packages"))
        # By their files: this interpreter need not be the image's.
        ask = f"import importlib.metadata as m; [print(d.name, d.version) for d in m.distributions(path=[{str(site)!r}])]"
        told = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout
        installed = {(re.sub("[_.]", "-", name.lower()), version) for name, version in map(str.split, told.splitlines())}
        self.assertEqual({name for name, _ in installed - listed}, {"webspaced"})
