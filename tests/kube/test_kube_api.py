"""A real kube-apiserver does what the emulator does."""

from tests.contracts.kube_api import KubeApiContract
from tests.contracts.kube_kinds import KubeKindsContract
from tests.kube.served import ServedCase


class KubeApiTests(ServedCase, KubeApiContract):
    pass


class KubeKindsTests(ServedCase, KubeKindsContract):
    def forget_history(self) -> None:
        # What it remembers for watches is in its memory.
        self.server.stop_apiserver()
        self.server.start_apiserver()
