"""webspaced: a webspace for every member, asleep until somebody visits it.

The rooms of this package, from the top down (a room imports only rooms below it)::

    tap.py           Options, makeService
    assembly.py      the one place that builds and joins every object
    daemon.py        start in order, stop in order
    http/ | forward/ | reconcile/ | lxd/ | iam/ | traefik/
    webspaces/
    interfaces.py
    core/            pure values and functions
    settings/ | lib/
    errors.py
"""
