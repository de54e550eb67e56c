"""The way of a visitor's connection: ``listeners`` keep ports open, a ``visit`` pauses until the boot gate opens, and its
line is relayed to a container's.

Forwarded ports and boot ports are the same code; a boot port's visitors come from Traefik. ``lines`` says what a visit
needs of a connection; ``choice`` takes one of two kinds: ``sockets`` (with ``ports``, ``rests``, ``engine``, ``pump`` and
``pipes``) moves bytes in the kernel, ``stock`` (with ``hangup``) is made of Twisted's transports. ``states`` has the tables
of both. ``web`` is a visit to a boot port, ``reception`` judges who may wake a webspace, ``waiting`` and ``pages`` keep
those before browsers waiting. ``refusal`` says in HTTP why a webspace cannot be woken, ``refusals`` what the log says of
it, ``drain`` is the end of all visits.
"""
