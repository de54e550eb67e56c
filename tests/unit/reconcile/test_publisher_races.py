
from ipaddress import ip_address

from tests.unit.reconcile.test_publisher import A, B
from tests.unit.reconcile.test_publisher import PublisherCase as _Case


class RaceTests(_Case):
    def test_writes_never_overlap(self) -> None:
        """A store that is quick once (a file) and slow or failing the next time."""
        self.opened(x=A)
        # Whoever hears that x settled wants more at once, in the same turn as the write.
        self.publisher._settle_time = 0.0
        self.publisher.settled("x")
        self.want("x", B)
        self.publisher.settled("x").addCallback(lambda _: (setattr(self.store, "delay", 1.0), self.want("y", A)))
        self.clock.run_for(0.5)
        self.want("z", A)
        self.clock.run_for(10)
        self.assertEqual(self.store.most_at_once, 1)
        self.assertEqual(sorted(self.store.routes), ["x", "y", "z"])

    def test_an_address_that_a_write_under_way_names_is_named(self) -> None:
        self.opened(x="127.0.0.1")
        self.store.delay = 1.0
        self.want("x", A)
        self.clock.run_for(0.5)
        self.assertTrue(self.publisher.named_by_others(ip_address(A), "y"))
