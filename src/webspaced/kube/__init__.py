"""Kubernetes: ``access`` finds the cluster and who we are there, ``client`` makes one request, ``informer`` keeps a mirror.

The client is thin on purpose: a handful of kinds (``resources``), JSON, and calls that end at once when they are cancelled.
"""
