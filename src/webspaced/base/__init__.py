"""What every service of this distribution stands on, the daemon and those beside it (issue 15): how twistd makes one of its
settings, how its log is written, the pages ``/live``, ``/ready`` and ``/metrics``, and its commands.

Nothing here knows what a service is for. Of this room only :mod:`webspaced.base.figures` and :mod:`webspaced.base.families`
know Prometheus.
"""
