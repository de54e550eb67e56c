"""LXD and Incus: their REST API over the unix socket, operations, and the event stream.

``agent`` opens connections, ``client`` makes one request and maps its errors, ``instances`` says it in the terms of
:class:`webspaced.interfaces.IInstances`, ``events`` keeps a subscription alive, ``parse`` turns JSON into values.
"""
