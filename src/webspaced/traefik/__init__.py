"""Traefik: ``render`` turns routes into its dynamic configuration, ``file`` stores it, ``embedded`` runs Traefik itself."""
