"""Every metric: its name, kind, labels and meaning. The reference page is printed of this, and nothing else is exposed.

Names by https://prometheus.io/docs/practices/naming/: base units, ``_total`` for what only grows.
"""

from __future__ import annotations

from collections.abc import Mapping

from webspaced.base.metric import Metric, Sort


def _counter(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(f"webspaced_{name}_total", Sort.COUNTER, meaning, labels)


def _gauge(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(f"webspaced_{name}", Sort.GAUGE, meaning, labels)


def _histogram(name: str, meaning: str, *labels: str) -> Metric:
    return Metric(f"webspaced_{name}", Sort.HISTOGRAM, meaning, labels)


def _each(name: str, sort: Sort, meaning: str, *labels: str) -> Metric:
    return Metric(f"webspaced_webspace_{name}", sort, meaning, ("webspace", *labels), each=True)


WAKING = (
    _counter("boots", "Boots that ended, by how, and by the phase in which they did.", "outcome", "phase"),
    _histogram("boot_seconds", "How long boots took, from the first visitor to the container's address.", "outcome"),
    _histogram("boot_phase_seconds", "How long each phase took of boots that went well; `port` follows the boot, for each"
               " port that is waited for.", "phase"),
    _counter("wakes", "Boots that went well, by how deep the webspace slept: `doze`, `asleep`, or `awake` for one that"
             " ran already.", "depth"),
    _counter("port_waits", "Waits for a port of a container to answer, by how they ended.", "outcome"),
    _counter("sleeps", "Webspaces that were put to sleep, by depth and reason: `idle`, `room` for others, `asked` by its"
             " member, `unwanted` (switched off, suspended, or without a member).", "depth", "reason"),
    _gauge("boots_waiting_for_room", "Boots that wait for room: too many run, or memory is short."),
    _gauge("hosts_short_of_memory", "Machines with webspaces on which memory is short."),
)  # fmt: skip
VISITS = (
    _gauge("held_visitors", "Visitors who wait for their webspace now."),
    _counter("held_seconds", "Seconds that visitors waited, together."),
    _gauge("relay_open_connections", "Connections that are relayed now."),
    _counter("relay_connections", "Connections that were relayed."),
    _counter("relay_bytes", "Bytes relayed, by direction: `to_container` or `to_visitor`.", "direction"),
    _counter("visits_refused", "Visitors who were not served, by reason.", "reason"),
)
WEBSPACES = (
    _gauge("webspaces", "Webspaces by status and by what is wanted of them.", "status", "desired"),
    _gauge("conditions", "Webspaces with a condition, by its kind.", "kind"),
    _gauge("certificates", "Certificates known, by kind: `member` for those that members brought, `lxd_client` and"
           " `lxd_server` for the connection to LXD.", "kind"),
    _gauge("certificate_left_seconds", "Seconds until the first certificate of a kind ends; less than nothing once it"
           " has.", "kind"),
)  # fmt: skip
ROUTES = (
    _gauge("routes_wanted", "Routes that are to be published."),
    _gauge("routes_published", "Routes that are published, as far as is known."),
    _gauge("routes_unwritten", "Routes that are to be written, or to be removed."),
    _counter("route_writes", "Writes to the store of routes by provider and outcome: `ok`, `partly` (some were refused),"
             " `failed`.", "provider", "outcome"),
    _histogram("route_settle_seconds", "How long somebody waited after a write until Traefik had taken it up, or was"
               " taken to have."),
    _gauge("traefik_has_routes", "1 while Traefik has webspaced's routes, 0 while it has none; absent where it cannot be"
           " asked."),
    _counter("reconciles", "Full passes over all webspaces, by how they ended.", "outcome"),
    _histogram("reconcile_seconds", "How long full passes took."),
)  # fmt: skip
DAEMON = (
    _gauge("info", "Always 1; the version is in its label.", "version"),
    _gauge("ready", "Whether the daemon is ready, as `/ready` says."),
    _gauge("leader", "Whether this daemon leads: it may write."),
    _gauge("event_stream_up", "Whether LXD's event stream stands."),
    _gauge("event_stream_age_seconds", "Seconds since LXD's event stream gave a sign of life; it is asked for one each ten"
           " seconds."),
    _counter("event_stream_losses", "How often LXD's event stream ended, or could not be opened."),
    _counter("calls", "Calls of `lxd`, `iam`, `kubernetes` and `redis`, by endpoint and outcome; `operation` is a wait for"
             " LXD's operation.", "service", "endpoint", "outcome"),
    _histogram("call_seconds", "How long these calls took.", "service", "endpoint"),
    _counter("api_requests", "HTTP requests by listener, endpoint, method and status.",
             "listener", "endpoint", "method", "status"),
    _histogram("api_request_seconds", "How long HTTP requests took, terminals left out.", "listener", "endpoint"),
    _counter("audit_lines", "Lines of the audit log: `written`, or `lost` because its file or its reader did not take them.",
             "outcome"),
    _counter("limit_hits", "What was refused because of a bound, by the bound.", "cause"),
    _histogram("reactor_latency_seconds", "How late the event loop was, measured four times a second: what one turn of it"
               " took."),
)  # fmt: skip
EACH = (
    _each("depth", Sort.GAUGE, "How deep it sleeps: 0 awake, 1 dozing, 2 asleep."),
    _each("conditions", Sort.GAUGE, "How many conditions it has."),
    _each("held_seconds_total", Sort.COUNTER, "Seconds that its visitors waited, together."),
    _each("relay_connections_total", Sort.COUNTER, "Connections that were relayed to it."),
    _each("relay_bytes_total", Sort.COUNTER, "Bytes relayed, by direction.", "direction"),
)
GROUPS: Mapping[str, tuple[Metric, ...]] = {
    "Waking and sleeping": WAKING,
    "Visitors": VISITS,
    "Webspaces": WEBSPACES,
    "Routes": ROUTES,
    "The daemon": DAEMON,
    "Of each webspace": EACH,
}
CATALOGUE: Mapping[str, Metric] = {metric.name: metric for group in GROUPS.values() for metric in group}
