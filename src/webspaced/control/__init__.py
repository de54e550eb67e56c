"""What the operator's command line asks of the daemon that runs: HTTP on a unix socket in ``data_dir``.

Only root and the daemon's own user are heard: the socket is theirs alone, and the kernel says who has connected.
"""
