"""The router of the containers' network: addresses, names, the way out, and what is forbidden on it.

A service of its own (``twistd -n webspaced-router``), which knows nothing of the daemon. LXD tells which instances there are
and which hardware addresses they have; from that follows who has which address, and all that is written from it::

    instances -> plan -> reservations (dnsmasq), records (webspaced), bindings (guards)
    settings  -> lan  -> configuration (dnsmasq), rules (nftables of the router), guards (nftables of LXD's members)

The modules named here are pure; what runs programs and talks to LXD stands beside them.
"""
