"""Traefik: ``render`` turns routes into its dynamic configuration, ``embedded`` runs Traefik itself.

``file`` and ``served`` store the document: in a file that Traefik watches, or where it polls over HTTP. ``redis`` stores
it as ``keys`` in a Redis, which ``redis_server`` asks in threads. ``kubernetes`` writes objects, which ``kube_objects``
makes of routes, and knows by ``kube_mirror`` which are there.
"""
