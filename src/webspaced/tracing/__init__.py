"""Traces for OpenTelemetry, off by default: the one room that knows its libraries, which an extra brings.

The others make spans by :mod:`webspaced.lib.spans`. Where ``tracing.endpoint`` is not set, the libraries are not loaded.
"""
