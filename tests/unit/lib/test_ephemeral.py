"""Outgoing connections must not take the ports that we listen on."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from webspaced.lib.ephemeral import collision_advice, ephemeral_ports, reserved_ports

KERNEL = range(32768, 61000)


class EphemeralTests(SynchronousTestCase):
    def write(self, text: str) -> Path:
        path = Path(self.mktemp())
        path.write_text(text)
        return path

    def test_the_kernels_range(self) -> None:
        self.assertEqual(ephemeral_ports(self.write("32768\t60999\n")), KERNEL)

    def test_what_it_leaves_out(self) -> None:
        self.assertEqual(reserved_ports(self.write("80,49152-49154\n")), {80, 49152, 49153, 49154})
        self.assertEqual(reserved_ports(self.write("\n")), frozenset())

    def test_where_it_does_not_say(self) -> None:
        for path in (Path("nowhere"), self.write("rubbish")):
            self.assertEqual((len(ephemeral_ports(path)), reserved_ports(path)), (0, frozenset()))

    def test_the_advice_names_just_what_meets(self) -> None:
        for ours, said in (
            (range(20000, 30000), None),
            (range(61000, 61100), None),
            (range(30000, 32769), "32768-32768"),
            (range(60999, 65536), "60999-60999"),
            (range(49152, 49162), "49152-49161"),
        ):
            advice = collision_advice(ours, KERNEL, frozenset())
            self.assertEqual(advice, said and f"sysctl -w net.ipv4.ip_local_reserved_ports={said}")

    def test_no_advice_once_it_was_followed(self) -> None:
        ours = range(49152, 49162)
        self.assertIsNone(collision_advice(ours, KERNEL, frozenset(ours)))
        self.assertIsNotNone(collision_advice(ours, KERNEL, frozenset(ours[1:])))
