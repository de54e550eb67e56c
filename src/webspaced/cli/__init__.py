"""The command ``webspaced``: what an operator does beside running the daemon (which is ``twistd -n webspaced``).

``registry`` lists the commands; each is a module with a :class:`webspaced.cli.registry.Command`. What a program may want to
read goes to standard output, everything for people to standard error.
"""

from webspaced.cli.main import main

__all__ = ["main"]
