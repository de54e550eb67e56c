"""The image server (issue 15): releases of a repository, or a directory, as images for LXD and Incus.

A service of its own (``twistd -n webspaced-images``), which knows nothing of webspaced's daemon.
"""
