"""Faults of one stack alone: these tests run several at a time."""
