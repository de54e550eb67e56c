"""A verified fake of LXD's REST API, and of Incus's: in memory on a clock for tests, on a UNIX socket for ``--simulate``.

In a test, with the real client and no real time::

    reactor = MemoryReactor(clock)
    lxd = SimulatedLxd(reactor, flavour=INCUS)
    lxd.startService()
    client = LxdClient(Connections(reactor, UnixEndpoints(reactor, lxd.socket)).agent, reactor, "default")
    lxd.machine.add("ws-u1", running=True)
    lxd.faults.doom("PUT", "/1.0/instances/*/state")

One contract suite (``tests/contracts/lxd_*.py``) runs on this, on a real LXD 5.0.2 and on a real Incus 6.0.4; what those two
do differently is in :mod:`webspaced.testing.lxd.flavour`. What this does differently from both:

- Texts of errors are theirs where they were seen; nobody should decide on them, and the contract compares codes only.
- Only containers; no snapshots, backups, storage pools, migration or metrics; images are those it was given.
- Of configuration keys it knows prefixes (``user.``, ``limits.`` and so on), of devices their types. Nothing is limited.
- Identifiers, addresses and times are counted, not random; time begins in January 2026.
- The first milliseconds of a transition are one step. A real ``/state`` may hang for as long as a container dies; here it
  answers. In a race of two stops LXD 5.0 may end both with an error; here the first ends well.
- A start of a container whose first process ends at once takes LXD's five seconds on both (Incus: 0.3 s).
- A rename that LXD 5.0 accepts within the stop window makes its stop hang for half a minute; here it is refused.
- A graceful stop of a frozen instance thaws it first, as LXD does. Incus lets it run into its timeout, and then calls it
  running while its processes are still frozen.
- Incus's freeze sometimes takes a second; here it takes :attr:`Timings.freeze`.
- Of the metrics only processor time and bytes of NICs mean anything; the others are told where :attr:`Metrics.cpus` says
  so. What comes to a frozen container is counted when it goes on. Of the resources only memory is told.
- Commands are those of :mod:`webspaced.testing.lxd.commands`. They go on in a container that is frozen. Where they do not
  read, what is sent to them is not held back.
- A WebSocket's secret is good for once; with a second use of it the real ones keep the client waiting.
- The console shows what is typed and nothing else. What a container's root can do to its address ends at adding some.
- Certificates are kept as texts and give nobody access: who is trusted is :attr:`Path.trusted`.
- A cluster is a list of members that can be offline; each instance has one, and none ever moves.
- On loopback addresses (a real reactor) an address that nobody has refuses connections; only in memory SYNs are lost.
"""
