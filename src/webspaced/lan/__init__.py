"""The container network: pods and containers on one layer-2 LAN, over VXLAN (RFC 7348).

An agent in each pod keeps a VXLAN device and its list of peers as they are wanted::

    sources (EndpointSlices, pods, DNS, a list) -> peers -> plan -> device -> the kernel
                                                    |-> guard (nftables)
                                                    `-> announce (ARP, NDP)

It knows nothing of webspaced's daemon.
"""
