"""The fast tests. How fast a machine is decides about none of them: hypothesis is not to measure it."""

from contextlib import suppress

# The benchmarks use what tests are made of, and no hypothesis.
with suppress(ImportError):
    from hypothesis import HealthCheck, settings

    settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("untimed")
