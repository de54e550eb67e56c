"""Verified fakes, for webspaced's own tests, for ``--simulate``, and for others who test a client of LXD.

``lxd`` is an LXD and an Incus: a model of what they do, and a Klein application that speaks their REST API. ``iamd`` is an
IAM service, ``kube`` an API server of Kubernetes. ``network`` is a TCP and UNIX network in memory that is also a reactor
on a clock, ``wires`` its connections, ``hangups`` tells of peers that are gone. One contract suite runs on the simulator,
on a real LXD and on a real Incus, another on the emulator and on a real API server (``tests/contracts``).

No other room imports this one; it may import all.
"""
