"""The emulator does what a real kube-apiserver does."""

from tests.contracts.kube_api import KubeApiContract
from tests.contracts.kube_kinds import KubeKindsContract
from tests.unit.kube.emulated import EmulatedCase


class KubeApiTests(EmulatedCase, KubeApiContract):
    pass


class KubeKindsTests(EmulatedCase, KubeKindsContract):
    def forget_history(self) -> None:
        self.kube.objects.forget_history()
