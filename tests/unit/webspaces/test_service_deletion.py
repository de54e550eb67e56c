from tests.unit.timing import watch
from tests.unit.webspaces.test_service import ServiceCase as _Case
from webspaced.core.forward import Forward


class DeletionTests(_Case):
    def test_a_port_that_is_added_while_the_webspace_is_deleted_is_let_go(self) -> None:
        self.do(self.create())
        deleting, adding = watch(self.w.service.delete(1)), watch(self.w.service.add_port(1, 49152, Forward(22)))
        self.w.clock.run_for(10)
        self.assertTrue(deleting.done and adding.done)
        self.assertEqual(self.w.listeners.reserved, set())
