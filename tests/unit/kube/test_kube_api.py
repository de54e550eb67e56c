"""The emulator does what a real kube-apiserver does."""

from tests.contracts.kube_api import KubeApiContract
from tests.unit.kube.emulated import EmulatedCase


class KubeApiTests(EmulatedCase, KubeApiContract):
    def forget_history(self) -> None:
        self.kube.objects.forget_history()
