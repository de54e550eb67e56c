"""Ready means an answer: applications that come up in ways of their own, in real containers behind a real Traefik."""

from __future__ import annotations

from tests.stack import StackCase

BEGIN = "#!/bin/sh\nip link set lo up\nip link set eth0 up\nhostname >/var/www/index.html\n"
ADDRESS = "udhcpc -i eth0 -s /etc/lease -b -q -t 30 -T 1 -A 1 -x hostname:$(hostname) >/dev/null 2>&1\n"
HANGING_UP = """nc -ll -p {port} -e /bin/false &
proxy=$!
(sleep 2; kill $proxy; while :; do {server}; sleep 0.1; done) &
"""
WEB = "httpd -f -p 80 -h /var/www"
GREETER = "nc -ll -p 25 -e /etc/greet"


class ReadyTests(StackCase):
    """What the container does at its start is replaced, and then it is woken by a visitor."""

    def setUp(self) -> None:
        super().setUp()
        self.stack.create()
        self.stack.put_state("start")

    def starts_with(self, script: str) -> None:
        self.stack.run_inside("sh", "-c", f"cat >/etc/rc <<'END'\n{BEGIN}{script}{ADDRESS}END\nchmod 755 /etc/rc")
        self.sleep()

    def sleep(self) -> None:
        self.assertEqual(self.stack.ask("DELETE", "/v1/webspace/self/state").status, 204)

    def test_a_web_port_that_hangs_up_at_first(self) -> None:
        self.starts_with(HANGING_UP.format(port=80, server=WEB))
        for _ in range(2):
            self.assertEqual(self.stack.visit().body, b"ws-u1\n")
            self.sleep()

    def test_one_that_opens_later_than_the_operator_waits(self) -> None:
        self.stack.stop()
        self.stack.set_webspaces(ready_timeout="1s")
        self.stack.write_configuration()
        self.stack.start()
        # Longer than the usual delay of 3 s, too.
        self.starts_with(f"(sleep 6; {WEB}) &\n")
        self.assertEqual(self.stack.visit().status, 503)
        self.sleep()
        self.assertEqual(self.stack.ask("PATCH", "/v1/webspace/self/config", {"startupDelay": 50}).status, 200)
        self.assertEqual(self.stack.visit().body, b"ws-u1\n")

    def test_a_forward_to_a_server_that_greets(self) -> None:
        port = self.stack.forward(25)
        self.stack.run_inside("sh", "-c", "printf '#!/bin/sh\\necho 220 hello\\ncat\\n' >/etc/greet; chmod 755 /etc/greet")
        self.starts_with(HANGING_UP.format(port=25, server=GREETER))
        self.assertEqual(self.stack.ask("PATCH", f"/v1/webspace/self/ports/{port}", {"ready": "data"}).status, 204)
        self.assertEqual(self.stack.ask("GET", "/v1/webspace/self").json["ready"], {str(port): "data"})
        self.assertEqual(self.stack.echo(port, b"HELO"), b"220 hello\nHELO")
