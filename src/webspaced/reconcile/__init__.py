"""The way of an LXD event: ``reconciler`` looks at the webspace it names, derives what is wanted, and applies the least.

``publisher`` keeps the routes in Traefik's store equal to the wanted ones and knows when a change has settled.
"""
