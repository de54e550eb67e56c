"""Settings of the webspaces themselves."""

# ruff: noqa: RUF009 - attrs fields, declared by functions that ruff does not know

from __future__ import annotations

from pathlib import Path

import attrs

from webspaced.settings.fields import required, section, setting
from webspaced.settings.kinds import (
    ADDRESS,
    AGENT,
    DOMAIN,
    FLAG,
    HOST,
    INSTANCE_PREFIX,
    IP,
    LABEL,
    LEASES,
    NAME,
    NETWORK,
    PATH,
    PORT,
    choice,
    duration,
    integer,
    listing,
    number,
)
from webspaced.settings.sleep import Sleep
from webspaced.settings.values import Address, IPAddress, IPNetwork

RESERVED_NAMES = (
    "abuse", "account", "accounts", "admin", "api", "app", "assets", "auth", "autoconfig", "autodiscover", "cdn",
    "cloud", "console", "dashboard", "dns", "docs", "ftp", "git", "help", "hostmaster", "iam", "imap", "incus",
    "isatap", "ldap", "localhost", "login", "lxd", "mail", "mta-sts", "mx", "noc", "ns", "ns1", "ns2", "panel", "pop",
    "postmaster", "root", "security", "smtp", "ssh", "sso", "static", "status", "support", "traefik", "vpn",
    "webmail", "webmaster", "webspaced", "wiki", "wpad", "www",
)  # fmt: skip
"""What services are usually called, and what programs look for by themselves (RFC 2142, WPAD, ISATAP)."""


@attrs.frozen(kw_only=True)
class ConfigDefaults:
    """What the configuration of a new webspace says until its owner changes it."""

    startup_delay: float = setting(
        number(0),
        "How long at most a first visit waits for an application that is not there yet: its port still says 502, 503 or"
        " 504, or hangs up without a byte. For ports that do not open yet it counts where it is longer than"
        " `webspaces.ready_timeout`.",
        default=3.0,
        unit="seconds",
    )
    http_port: int = setting(PORT, "The port in the container that speaks HTTP.", default=80)
    sni_passthrough: bool = setting(FLAG, "Hand TLS to the container unopened.", default=False)
    protocol: str = setting(
        choice("http", "h2c", "https"),
        "What that port speaks: HTTP/1.1, HTTP/2 without TLS (gRPC), or HTTP over TLS of the container's own.",
        default="http",
    )


@attrs.frozen(kw_only=True)
class Ports:
    """The ports of this machine that members may forward to their webspaces."""

    start: int = setting(PORT, "First external port.", default=49152)
    end: int = setting(PORT, "Last external port.", default=65535)
    max: int = setting(integer(0), "The most forwards of one webspace.", default=64, live=True)
    listen_address: str = setting(
        HOST,
        "The address, without a port, that forwards listen on; empty stands for every interface, IPv4 and IPv6.",
        default="",
    )
    kubernetes_service: str | None = setting(
        NAME,
        "A LoadBalancer Service whose ports follow the forwards, where visitors come in through"
        " Kubernetes.",
        default=None,
        example="webspaced-ports",
    )


@attrs.frozen(kw_only=True)
class Domains:
    """Members' own domains."""

    max: int = setting(integer(0), "The most domains of one webspace, beside its default domain.", default=32, live=True)
    resolvers: tuple[Address, ...] = setting(
        listing(ADDRESS),
        "DNS servers that are asked whether a domain is a member's; empty stands for those of the"
        " system.",
        default=(),
        example=("192.0.2.53:53",),
        live=True,
    )


@attrs.frozen(kw_only=True)
class Exec:
    """Commands that the API runs in a webspace and whose output it gives as a whole, and terminals."""

    timeout: float = setting(
        duration(), "How long a command may take before it is killed.", default=60.0, unit="seconds",
        live=True,
    )
    max_output: int = setting(
        integer(1),
        "The most that it may write, on both outputs together, before it is killed.",
        default=1048576,
        unit="bytes",
        live=True,
    )
    max_commands: int = setting(
        integer(1), "How many commands of one webspace may run at once; further ones are answered 429.", default=16,
        live=True,
    )
    max_terminals: int = setting(
        integer(1),
        "How many terminals and consoles of one webspace may be open at once; further ones are answered 429.",
        default=32,
        live=True,
    )


@attrs.frozen(kw_only=True)
class Wake:
    """Who wakes webspaces that sleep. Those that run serve everybody, and ACME challenges wake always."""

    agents_ignored: tuple[str, ...] = setting(
        listing(AGENT),
        "User agents, by a piece of their name in any case, that wake nobody over HTTP: they are answered 503 with"
        " `Retry-After`. The manual has a list to copy.",
        default=(),
        example=("UptimeRobot", "AhrefsBot", "zgrab"),
        live=True,
    )
    per_address: int = setting(
        integer(0),
        "How many boots one visitor's address (IPv6: one /64 network) may cause in a minute; beyond it web visitors are"
        " answered 503 and others reset. Behind Traefik it is known by `X-Forwarded-For`, which is believed of"
        " `http.trusted_proxies`. 0 sets no bound.",
        default=30,
        live=True,
    )


@attrs.frozen(kw_only=True)
class BootPorts:
    """The ports behind which webspaces sleep: Traefik sends the visitors of a stopped one here.

    Every webspace has one for as long as it exists, so that a restart rewrites no route.
    """

    start: int = setting(PORT, "First boot port.", default=20000)
    end: int = setting(
        PORT, "Last boot port; the range bounds how many webspaces there can be.", default=29999
    )


@attrs.frozen(kw_only=True)
class Webspaces:
    """What a webspace is, and the bounds on what all of them may take."""

    lxd_profile: str = setting(NAME, "The LXD profile of every container.", default="webspace")
    instance_prefix: str = setting(
        INSTANCE_PREFIX,
        "What the names of the containers begin with; the member's id follows.",
        default="ws-",
    )
    domain: str = required(
        DOMAIN,
        "The domain under which every webspace has its own, `<username>.<domain>`.",
        example="example.org",
    )
    config_defaults: ConfigDefaults = section(ConfigDefaults)
    max_startup_delay: float = setting(
        number(0),
        "The longest start-up delay that a member may set; 600 where applications need minutes.",
        default=60.0,
        unit="seconds",
        live=True,
    )
    ip_timeout: float = setting(
        duration(),
        "The longest wait for an address after a container's start.",
        default=15.0,
        unit="seconds",
        live=True,
    )
    ports: Ports = section(Ports)
    domains: Domains = section(Domains)
    networks: tuple[IPNetwork, ...] = setting(
        listing(NETWORK),
        "Where the addresses of containers may lie; empty stands for the managed bridge's subnets."
        " A container's root can claim any address, and none outside is routed.",
        default=(),
        example=("10.20.0.0/16",),
    )
    reserved_addresses: tuple[IPAddress, ...] = setting(
        listing(IP),
        "Addresses within those networks that no container may claim: other machines are there.",
        default=(),
        example=("10.20.0.2",),
    )
    leases: str | None = setting(
        LEASES,
        "Who gave which address to whom, where LXD does not manage the network: the path of dnsmasq's lease file,"
        " or a URL that gives a JSON list of objects with `address`, `hwaddr` and perhaps `expires` (seconds since"
        " the epoch). Without it, whoever had an address first keeps it.",
        default=None,
        example="/var/lib/misc/dnsmasq.leases",
    )
    fixed_addresses: bool = setting(
        FLAG,
        "Write an address of its own on the NIC of each new webspace, where LXD manages the network: no other"
        " container can take it.",
        default=True,
    )
    reserved_names: tuple[str, ...] | None = setting(
        listing(LABEL),
        "Names below `webspaces.domain` that the service needs for itself: a member of that name gets no default"
        " domain. The hosts that other settings name are reserved by themselves.",
        default=None,
        computed="what services are usually called: " + ", ".join(RESERVED_NAMES),
        example=("api", "mail", "www"),
        live=True,
    )
    waiting: str = setting(
        choice("hold", "page"),
        "How visitors before browsers wait for a boot, unless a member sets it otherwise: `hold` keeps the connection until"
        " the answer is there, `page` shows a page that reloads itself. Everything else is held in any case.",
        default="hold",
        live=True,
    )
    page_after: float = setting(
        duration(), "How long such a visitor is held before the page.", default=2.0, unit="seconds",
        live=True,
    )
    pages: Path | None = setting(
        PATH,
        "A folder with files that take the place of the ones that pages are made of (`waiting.html`, `refused.html`,"
        " `style.css`, `en.toml` and so on), or with further languages. It is read at the start.",
        default=None,
        example="/etc/webspaced/pages",
        live=True,
    )
    boot_ports: BootPorts = section(BootPorts)
    exec: Exec = section(Exec)
    wake: Wake = section(Wake)
    ready_timeout: float = setting(
        duration(),
        "The longest wait, after a start, for the wanted port of a webspace to answer.",
        default=30.0,
        unit="seconds",
        live=True,
    )
    stop_timeout: float = setting(
        duration(),
        "How long a container may take to stop by itself before it is forced.",
        default=30.0,
        unit="seconds",
        live=True,
    )
    install_timeout: float = setting(
        duration(),
        "How long one command of a package manager may take when an SSH server is put into a new webspace.",
        default=600.0,
        unit="seconds",
        live=True,
    )
    drain_time: float = setting(
        duration(),
        "How long requests under way may go on, once no new ones come, before a stop.",
        default=1.0,
        unit="seconds",
        live=True,
    )
    max_concurrent_boots: int = setting(
        integer(1),
        "How many containers may start at the same time, and how many may be created; the others queue, fairly.",
        default=4,
        live=True,
    )
    max_running: int = setting(
        integer(0),
        "How many webspaces may run or doze at once, where memory is short; 0 sets no bound. To make room for one more, the"
        " one that was idle longest is stopped.",
        default=0,
        live=True,
    )
    max_held: int = setting(
        integer(1),
        "How many web visitors may wait for boots, over all webspaces; visitors of forwards have half as many places of"
        " their own.",
        default=4096,
        live=True,
    )
    max_held_per_webspace: int = setting(
        integer(1), "How many connections may wait for the boot of one webspace.", default=512,
        live=True,
    )
    max_per_address: int = setting(
        integer(0),
        "How many connections one visitor's address (IPv6: one /64 network) may have to forwards, over all webspaces, but"
        " never more than a quarter of all that there is room for; beyond it the one that carried nothing for longest is"
        " reset. 0 sets no bound, for where all visitors seem to come from one address, as behind some load balancers.",
        default=1024,
        live=True,
    )
    max_wait: float = setting(
        duration(1),
        "How long a connection may wait for a boot in all, also behind the boots of others, before it is refused.",
        default=300.0,
        computed="`300s`, or a minute more than `webspaces.max_startup_delay`",
        unit="seconds",
        live=True,
    )
    relay_idle_timeout: float = setting(
        duration(),
        "How long a relayed connection may carry nothing before it is reset; 0 sets no bound. Where there is no room for"
        " more, those that carried nothing for longest are reset earlier.",
        default=86400.0,
        unit="seconds",
        live=True,
    )
    sleep: Sleep = section(Sleep)
    resync_interval: float = setting(
        duration(0.1),
        "How often all is compared with LXD, for events that were lost.",
        default=300.0,
        unit="seconds",
        live=True,
    )
