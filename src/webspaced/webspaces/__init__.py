"""What webspaced knows of webspaces and the rules for changing them.

``registry`` mirrors LXD; ``booter`` and ``gate`` wake webspaces; ``service`` is what a member may do; ``power`` starts and
stops; ``adoption`` gives a webspace what it needs to be served; ``allocator`` gives out unique ports.
"""
