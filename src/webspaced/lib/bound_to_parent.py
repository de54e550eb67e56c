"""Run a program that the kernel kills when its parent ends.

``python -m webspaced.lib.bound_to_parent PROGRAM [ARGUMENT …]``

Linux only: prctl(2), PR_SET_PDEATHSIG. It survives the exec that follows. Listening sockets that are handed on are the
program's own by its process id (sd_listen_fds(3)), which is known only here.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Become the program; does not return."""
    parent = os.getppid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent or parent == 1:
        # The parent ended before the kernel knew: nobody would end us.
        sys.exit(1)
    if "LISTEN_FDS" in os.environ:
        os.environ["LISTEN_PID"] = str(os.getpid())
    os.execv(arguments[0], arguments)  # noqa: S606  (a fixed program with an argument vector)


if __name__ == "__main__":
    main(sys.argv[1:])
