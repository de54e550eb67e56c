"""Every interface is kept by what implements it, the tests' stand-ins included."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.interface import InterfaceClass
from zope.interface.verify import verifyClass

from tests.contracts.fake_instances import FakeInstances
from tests.simulation.deployment import QuietHost
from tests.unit.fake_lease import FakeLease, FakeMark
from tests.unit.forward.wires import FakeGate, FakeHangups, FakeLook
from tests.unit.world import FakeHost, FakeIdentity, FakeListeners, FakeRecords, FakeStore
from webspaced import interfaces
from webspaced.forward.hangup import EpollHangups, IHangups
from webspaced.forward.lines import ILine, ILineOwner, ILines
from webspaced.forward.listeners import Listeners
from webspaced.forward.ports import SocketLines
from webspaced.forward.sockets import SocketLine
from webspaced.forward.stock import StockLine, StockLines
from webspaced.forward.visit import Visit
from webspaced.iam.iamd import IamdIdentity
from webspaced.iam.static import StaticIdentity, UsersFile
from webspaced.kube.exposure import ServicePorts
from webspaced.kube.lease import KubeLease, PodLabel
from webspaced.lxd.insides import LxdInsides
from webspaced.lxd.instances import LxdInstances
from webspaced.lxd.kernel import HostKernel
from webspaced.lxd.network import NetworkLeases
from webspaced.lxd.owner import OwnerLease
from webspaced.lxd.streams import Terminal
from webspaced.lxd.words import ProfileWords
from webspaced.network.dns import DomainRecords
from webspaced.network.leases import LeaseFile, LeaseUrl
from webspaced.reconcile.reconciler import Reconciler
from webspaced.reconcile.unexposed import Unexposed
from webspaced.traefik.entry_point import EntryPoint
from webspaced.traefik.file import FileStore
from webspaced.traefik.served import ServedStore
from webspaced.webspaces.attended import AttendedTerminal
from webspaced.webspaces.gate import BootGate
from webspaced.webspaces.room import Room

KEPT_BY = {
    interfaces.IInstances: (LxdInstances, FakeInstances),
    interfaces.ILeases: (NetworkLeases, LeaseFile, LeaseUrl, FakeInstances),
    interfaces.IInsides: (LxdInsides,),
    interfaces.ITerminal: (Terminal, AttendedTerminal),
    interfaces.IEventListener: (Reconciler,),
    interfaces.IBootGate: (BootGate, FakeGate),
    interfaces.IPortLook: (BootGate,),
    interfaces.IWakeLook: (BootGate, FakeLook),
    interfaces.IRoutes: (Reconciler,),
    interfaces.IRouteStore: (FileStore, ServedStore, FakeStore),
    interfaces.ILeaderMark: (PodLabel, FakeMark),
    interfaces.IWords: (ProfileWords, FakeInstances),
    interfaces.ILease: (OwnerLease, KubeLease, FakeLease),
    interfaces.IExposure: (ServicePorts, Unexposed),
    interfaces.IRouteDocument: (ServedStore,),
    interfaces.ITraefik: (EntryPoint,),
    interfaces.IForwards: (Listeners, FakeListeners),
    interfaces.IVisitors: (Listeners, FakeListeners),
    interfaces.IHostKernel: (HostKernel, FakeHost, QuietHost),
    interfaces.IRoom: (Room,),
    interfaces.IListeners: (Listeners, FakeListeners),
    interfaces.IIdentity: (StaticIdentity, UsersFile, IamdIdentity, FakeIdentity),
    interfaces.IDomainRecords: (DomainRecords, FakeRecords),
    IHangups: (EpollHangups, FakeHangups),
    ILine: (SocketLine, StockLine),
    ILines: (SocketLines, StockLines),
    ILineOwner: (Visit,),
}


class InterfaceTests(SynchronousTestCase):
    def test_each_is_kept(self) -> None:
        for interface, classes in KEPT_BY.items():
            for kept_by in classes:
                self.assertTrue(verifyClass(interface, kept_by), kept_by)

    def test_none_is_forgotten(self) -> None:
        named = {getattr(interfaces, name) for name in interfaces.__all__}
        self.assertTrue(all(isinstance(each, InterfaceClass) for each in named))
        self.assertEqual(named | {IHangups, ILine, ILines, ILineOwner}, set(KEPT_BY))
