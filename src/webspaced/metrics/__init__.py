"""What monitoring reads: figures of all rooms below, gathered when they are asked for (issue 14).

The other rooms count by plain numbers (:mod:`webspaced.lib.measures`) and know nothing of Prometheus. Only this room has its
client library, and it is loaded only where ``metrics.listen_address`` is set.
"""
