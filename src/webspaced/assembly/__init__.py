"""Where every object of the daemon is built and joined, and stores, clusters, elections and listeners are chosen.

``build`` begins; the others each join one part.
"""
