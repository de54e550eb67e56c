"""What metrics say, of any number of containers, in the middle of all that they say beside."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from webspaced.core.sleep import Usage
from webspaced.core.usage import pieces, usage_of, usages

TEXT = b"""# HELP lxd_cpu_seconds_total The total number of CPU time used in seconds.
# TYPE lxd_cpu_seconds_total counter
lxd_cpu_seconds_total{cpu="0",mode="system",name="m0",project="default",type="container"} 0.004
lxd_cpu_seconds_total{cpu="1",mode="user",name="m0",project="default",type="container"} 1.5e+02
lxd_cpu_seconds_total{cpu="0",mode="system",name="m1",project="default",type="container"} 2
lxd_cpu_seconds_total{cpu="0",mode="system",name="m0",project="other",type="container"} 77
# HELP lxd_memory_Swap_bytes The amount of used swap memory.
# TYPE lxd_memory_Swap_bytes gauge
lxd_memory_Swap_bytes{name="m0",project="default",type="container"} 5
# HELP lxd_network_receive_bytes_total The amount of received bytes on a given interface.
# TYPE lxd_network_receive_bytes_total counter
lxd_network_receive_bytes_total{device="lo",name="m0",project="default",type="container"} 99
lxd_network_receive_bytes_total{device="eth0",name="m0",project="default",type="container"} 1638
lxd_network_receive_bytes_total{device="eth1",name="m0",project="default",type="container"} 2
# HELP lxd_network_receive_drop_total The amount of received dropped bytes on a given interface.
# TYPE lxd_network_receive_drop_total counter
lxd_network_receive_drop_total{device="eth0",name="m0",project="default",type="container"} 4
# HELP lxd_network_transmit_bytes_total The amount of transmitted bytes on a given interface.
# TYPE lxd_network_transmit_bytes_total counter
lxd_network_transmit_bytes_total{device="docker0",name="m0",project="default",type="container"} 44
lxd_network_transmit_bytes_total{device="eth0",name="m0",project="default",type="container"} 7.9e+09
lxd_network_transmit_bytes_total{device="eth1",name="m1",project="default",type="container"} 6
# EOF
"""


class MetricsTests(SynchronousTestCase):
    def test_of_lxd_and_of_incus(self) -> None:
        for text in (TEXT, TEXT.replace(b"lxd_", b"incus_")):
            told = {"m0": Usage(cpu=150.004, received=1638, sent=7_900_000_000)}
            self.assertEqual(dict(usages(text, "default", "eth0")), told)
        for project, nic in (("other", "eth0"), ("oth.r", "eth0"), ("default", "eth."), ("default", "lo")):
            self.assertEqual(dict(usages(TEXT, project, nic)), {})

    def test_the_last_section_may_be_the_last_line(self) -> None:
        for ending in ("", "\n", "\n# EOF\n"):
            text = TEXT[: TEXT.index(b'lxd_network_transmit_bytes_total{device="eth1')].rstrip() + ending.encode()
            self.assertEqual(usages(text + b"\n", "default", "eth0")["m0"].sent, 7_900_000_000)

    def test_however_many_lines_there_are(self) -> None:
        line = 'lxd_cpu_seconds_total{cpu="%d",mode="user",name="m%d",project="default",type="container"} 1\n'
        lines = "".join(line % (cpu, name) for name in range(3) for cpu in range(5000))
        nic = '{device="eth0",name="m%d",project="default",type="container"} %d\n'
        for way in ("receive", "transmit"):
            lines += "# TYPE\n" + "".join(f"lxd_network_{way}_bytes_total{nic % (name, name)}" for name in range(3))
        for ending in ("# EOF\n", ""):
            text = b"# TYPE lxd_cpu_seconds_total counter\n" + (lines + ending).encode()
            self.assertGreater(len(list(pieces(text))), 3)
            self.assertEqual(usages(text, "default", "eth0"), {
                f"m{name}": Usage(cpu=5000.0, received=name, sent=name) for name in range(3)
            })  # fmt: skip

    @given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
    def test_whatever_else_it_is(self, text: bytes) -> None:
        usages(text, "default", "eth0")
        usages(b"\nlxd_cpu_seconds_total{" + text, "default", "eth0")


class StateTests(SynchronousTestCase):
    def test_of_one_container(self) -> None:
        state = {
            "cpu": {"usage": 1_500_000_000},
            "network": {
                "lo": {"type": "loopback", "counters": {"bytes_received": 9, "bytes_sent": 9}},
                "docker0": {"type": "broadcast", "counters": {"bytes_received": 7, "bytes_sent": 8}},
                "eth0": {"type": "broadcast", "counters": {"bytes_received": 10, "bytes_sent": 20}},
            },
        }
        self.assertEqual(usage_of(state, "eth0"), Usage(cpu=1.5, received=10, sent=20))
        self.assertEqual(usage_of({"cpu": None, "network": None}, "eth0"), Usage())
