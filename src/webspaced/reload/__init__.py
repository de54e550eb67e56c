"""Settings that change while the daemon runs."""
