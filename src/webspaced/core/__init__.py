"""Pure values and functions: what a webspace is, which address counts, which routes are wanted, when to boot.

Nothing here imports Twisted, reads a clock or does I/O, so everything here can be tested with values alone.
"""
