"""What is read of the daemon's parts at the moment of a scrape."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import metadata

from webspaced.base.families import Reading, counted, one
from webspaced.forward.counters import REASONS, Counters
from webspaced.http.site import BOUNDS, Sites
from webspaced.metrics.watched import Watched

VERSION = metadata.version("webspaced")


def waking(watched: Watched) -> Iterator[Reading]:
    """Boots, wakes and sleeps."""
    boots, ports, room = watched.parts.known.booter.boots, watched.parts.known.gate.ports, watched.parts.known.room
    yield counted("webspaced_boots_total", boots.ended)
    yield Reading("webspaced_boot_seconds", boots.seconds)
    yield Reading("webspaced_boot_phase_seconds", boots.steps)
    yield Reading("webspaced_boot_phase_seconds", ports.seconds)
    yield counted("webspaced_wakes_total", boots.wakes)
    waits = {(outcome,): number for (_, outcome), number in ports.outcomes.values.items()}
    yield Reading("webspaced_port_waits_total", waits)
    yield counted("webspaced_sleeps_total", watched.parts.sleeper.sleeps)
    yield counted("webspaced_sleeps_total", watched.parts.power.stops, before=("asleep",))
    yield one("webspaced_boots_waiting_for_room", room.lacking)
    yield one("webspaced_hosts_short_of_memory", len(room.short))


def visits(seen: Counters) -> Iterator[Reading]:
    """Who waits, who is relayed, and who was refused."""
    yield one("webspaced_held_visitors", seen.held)
    yield one("webspaced_held_seconds_total", seen.held_seconds)
    yield one("webspaced_relay_open_connections", seen.open)
    yield one("webspaced_relay_connections_total", seen.opened)
    moved = {("to_container",): seen.to_container, ("to_visitor",): seen.to_visitor}
    yield Reading("webspaced_relay_bytes_total", moved)
    refused = {**dict.fromkeys(REASONS, 0), **seen.failed}
    yield Reading("webspaced_visits_refused_total", {(reason,): number for reason, number in refused.items()})


def routes(watched: Watched, provider: str) -> Iterator[Reading]:
    """What is published, and how that went."""
    publisher, watch = watched.parts.served.publisher, watched.parts.served.watch
    wanted, published, unwritten = publisher.counts()
    yield one("webspaced_routes_wanted", wanted)
    yield one("webspaced_routes_published", published)
    yield one("webspaced_routes_unwritten", unwritten)
    partly = sum(publisher.unwritten.partly.values.values())
    writes = {"ok": publisher.writes - partly, "partly": partly, "failed": publisher.failures}
    yield Reading("webspaced_route_writes_total", {(provider, outcome): number for outcome, number in writes.items()})
    yield Reading("webspaced_route_settle_seconds", publisher.settling.waits)
    if watch is not None:
        yield one("webspaced_traefik_has_routes", not watch.trouble)
    passes = watched.parts.reconciler.passes
    ended = {(outcome,): number for (_, outcome), number in passes.outcomes.values.items()}
    yield Reading("webspaced_reconciles_total", ended)
    yield Reading("webspaced_reconcile_seconds", passes.seconds.without())


def daemon(watched: Watched, clock_seconds: float) -> Iterator[Reading]:
    """Whether it leads and hears of LXD, and what it asked others."""
    events = watched.events
    yield Reading("webspaced_info", {(VERSION,): 1})
    yield one("webspaced_leader", watched.leadership.holds())
    yield one("webspaced_event_stream_up", watched.parts.reconciler.connected_to_lxd)
    yield one("webspaced_event_stream_age_seconds", max(0.0, clock_seconds - events.heard))
    yield one("webspaced_event_stream_losses_total", events.losses)
    yield counted("webspaced_audit_lines_total", watched.parts.known.trail.counted(), of=("written", "lost"))
    for service, calls in watched.calls.items():
        yield counted("webspaced_calls_total", calls.outcomes, before=(service,))
        yield Reading("webspaced_call_seconds", calls.seconds.under(service))


def sites(found: Sites) -> Iterator[Reading]:
    """What was asked of webspaced itself, and what was refused because of a bound."""
    for listener, requests in found.requests.items():
        yield counted("webspaced_api_requests_total", requests.ended, before=(listener,))
        yield Reading("webspaced_api_request_seconds", requests.seconds.under(listener))
    yield counted("webspaced_limit_hits_total", *found.hits(), of=BOUNDS)
