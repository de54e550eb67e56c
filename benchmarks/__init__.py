"""Benchmarks: `python -m benchmarks.<name>` from the checkout's root, or `make bench BENCH=<name>`.

Each shows progress while it runs and prints one JSON object as its last line.
"""
