"""What the store of routes asks of a Redis, by calls that block (https://redis.io/docs/latest/commands/)."""

from __future__ import annotations

import enum
import ssl
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from attrs import field, frozen
from redis import Redis, Sentinel
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    NoPermissionError,
    RedisError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from webspaced.errors import Distrusted, Unavailable
from webspaced.lib.memory_file import MemoryFile

CONNECT_TIMEOUT, ANSWER_TIMEOUT = 2.0, 4.0
"""Seconds; writing the routes of 10,000 webspaces takes Redis about a second. A write that was given up must have ended
before another daemon can take the lease (:class:`webspaced.core.lease.LeaseTimes`)."""
TICK = 0.5
"""Seconds between two looks whether Redis lives and has our keys, where it cannot tell of changes by itself."""
BATCH = 1000
INVALIDATED = b"__redis__:invalidate"
GLOB = str.maketrans({character: f"\\{character}" for character in "*?[]^-\\"})
NOTIFY = "notify-keyspace-events"
NEEDED = "Kg$"
"""The keyspace events that Traefik has to hear of: the keyspace channel, deletions, and texts that are set."""
ALL_EVENTS = "g$lshzxetd"
"""What ``A`` stands for, as far as we care (https://redis.io/docs/latest/develop/pubsub/keyspace-notifications/)."""


class Notifications(enum.Enum):
    """Whether Traefik hears of changes in this Redis."""

    ON = "on"
    SET = "set"
    """They were off, and are on now."""
    REFUSED = "refused"
    """They are off, and Redis does not let us change that."""
    UNKNOWN = "unknown"
    """Redis does not let us look."""


@frozen(kw_only=True)
class News:
    """What came to be known of a Redis.

    ``lost``: all may have changed; ``keys`` were changed, possibly by us; ``subscribed``: somebody began to listen, who has
    missed what was changed before.
    """

    lost: bool = False
    keys: frozenset[str] = frozenset()
    subscribed: bool = False


@frozen(kw_only=True)
class RedisTls:
    """PEM texts: whom to trust (the system's authorities without ``ca``), and who we are."""

    ca: str | None = None
    client: str | None = None
    client_key: str | None = field(default=None, repr=False)
    insecure: bool = False


@frozen(kw_only=True)
class RedisAddress:
    """Where Redis is, and who we are there: a host and port, a unix socket, or the master that sentinels know by a name."""

    host: str = "127.0.0.1"
    port: int = 6379
    socket: Path | None = None
    sentinels: Sequence[tuple[str, int]] = ()
    master: str = ""
    sentinel_username: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    database: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: RedisTls | None = None

    def __str__(self) -> str:
        if self.sentinels:
            return f"the master {self.master} of the sentinels"
        return str(self.socket or f"{self.host}:{self.port}")


class RedisServer:
    """One Redis; connects when it is first asked. Every method raises ``Unavailable`` when it cannot be had.

    Two threads may use it: one calls :meth:`news`, one all else.
    """

    def __init__(self, address: RedisAddress, root: str, mark: str) -> None:
        """Look after the keys below a root; ``mark`` is one that is always there."""
        self._address = address
        self._root = root
        self._mark = mark
        self._files: list[MemoryFile] = []
        self._redis: Any = self._client()
        self._ear: Any = None
        self._subscribers: frozenset[str] | None = frozenset()

    @property
    def sees_subscribers(self) -> bool:
        """Whether :class:`News` tells of new subscribers: Redis lets us look."""
        return self._subscribers is not None

    def read(self, ours: Callable[[str], bool]) -> dict[str, str]:
        """Give all keys below the root that are ours; what is no text has another type, and is given as empty."""
        with self._told():
            pattern = f"{self._root.translate(GLOB)}/*"
            keys = {_text(key) for key in self._redis.scan_iter(match=pattern, count=BATCH)}
            return self._values([key for key in keys if ours(key)])

    def read_some(self, keys: Collection[str]) -> dict[str, str]:
        """Give those of the keys that are there."""
        with self._told():
            found = self._values(list(keys))
            # MGET says the same of a key that is not there and of one that is no text.
            return {key: value for key, value in found.items() if value or self._redis.exists(_bytes(key))}

    def write(self, put: Mapping[str, str], remove: Collection[str]) -> None:
        """Set and delete in one transaction: Traefik looks at each change, and must not see half a router.

        It is told of one key only, where Redis lets us see to that: it reads everything again for each that it is told of,
        one after the other (80 ms each with 1,000 webspaces, which are 9,000 keys).
        """
        texts = {_bytes(key): _bytes(value) for key, value in put.items()}
        gone = [_bytes(key) for key in remove]
        if not texts and not gone:
            return
        last = ("SET", *texts.popitem()) if texts else ("DEL", gone.pop())
        with self._told(), self._redis.pipeline(transaction=bool(texts or gone)) as transaction:
            flags = self._flags_to_change() if texts or gone else None
            if flags:
                transaction.config_set(NOTIFY, "")
            if texts:
                transaction.mset(texts)
            if gone:
                transaction.delete(*gone)
            if flags:
                transaction.config_set(NOTIFY, flags)
            transaction.execute_command(*last)
            transaction.execute()

    def remind(self, value: str) -> None:
        """Set the mark again, so that all who listen look again; not where it is missing.

        That it is missing is how lost keys are noticed (``SET … XX``, https://redis.io/docs/latest/commands/set/).
        """
        with self._told():
            self._redis.set(_bytes(self._mark), _bytes(value), xx=True)

    def _flags_to_change(self) -> str | None:
        try:
            flags = self._flags()
            # A transaction in which something is not allowed would not be done at all.
            self._redis.config_set(NOTIFY, flags)
        except (ResponseError, LookupError):
            return None
        return flags

    def _flags(self) -> str:
        return _text(self._redis.config_get(NOTIFY)[NOTIFY])

    def ensure_notifications(self) -> Notifications:
        """Make Redis tell of changes, if it may be told to; its own configuration file stays as it is."""
        with self._told():
            try:
                flags = self._flags()
            except (ResponseError, LookupError):
                return Notifications.UNKNOWN
            missing = set(NEEDED) - set(flags.replace("A", ALL_EVENTS))
            if not missing:
                return Notifications.ON
            try:
                self._redis.config_set(NOTIFY, "".join(sorted({*flags, *missing})))
            except ResponseError:
                return Notifications.REFUSED
            return Notifications.SET

    def news(self) -> News:
        """Wait for something new, for at most :data:`TICK` seconds."""
        try:
            with self._told():
                is_new = self._ear is None
                if is_new:
                    self._listen()
                keys = frozenset[str]() if is_new or not self._ear.can_read(TICK) else self._heard()
                is_there, subscribed = self._look()
        except BaseException:
            self._forget()
            raise
        return News(lost=is_new or not is_there, keys=keys, subscribed=subscribed)

    def close(self) -> None:
        """End all connections."""
        self._forget()
        self._redis.close()

    # --- listening: client-side caching's tracking tells each change below a prefix (Redis 6)

    def _listen(self) -> None:
        self._ear = self._redis.connection_pool.get_connection()
        self._subscribers = frozenset()
        try:
            number = self._asked("CLIENT", "ID")
            # To the connection itself: it becomes a subscriber in the next line.
            prefix = f"{self._root}/"
            self._asked("CLIENT", "TRACKING", "ON", "REDIRECT", number, "BCAST", "PREFIX", _bytes(prefix))
            self._asked("SUBSCRIBE", INVALIDATED)
        except ResponseError:
            # An old one, or not allowed: then looking has to do.
            return

    def _asked(self, *command: Any) -> Any:
        self._ear.send_command(*command)
        return self._ear.read_response()

    def _heard(self) -> frozenset[str]:
        """Read all that is there. A flush (of any database) names no keys; then the mark is missing."""
        keys: set[str] = set()
        while self._ear.can_read(0):
            message = self._ear.read_response()
            if isinstance(message, list) and message[:2] == [b"message", INVALIDATED]:
                keys.update(_text(key) for key in message[2] or ())
        return frozenset(keys)

    def _look(self) -> tuple[bool, bool]:
        """Give whether the mark is there, and whether there are new subscribers."""
        is_there = bool(self._redis.exists(_bytes(self._mark)))
        if self._subscribers is None:
            return is_there, False
        try:
            clients = self._redis.client_list(_type="pubsub")
        except ResponseError:
            self._subscribers = None
            return is_there, False
        before, self._subscribers = self._subscribers, frozenset(each["id"] for each in clients if int(each["psub"]))
        return is_there, bool(self._subscribers - before)

    def _forget(self) -> None:
        ear, self._ear = self._ear, None
        if ear is not None:
            ear.disconnect()
            self._redis.connection_pool.release(ear)

    # --- reaching it

    def _values(self, keys: Sequence[str]) -> dict[str, str]:
        found: dict[str, str] = {}
        for start in range(0, len(keys), BATCH):
            some = keys[start : start + BATCH]
            values = self._redis.mget([_bytes(key) for key in some])
            found |= {key: _text(value or b"") for key, value in zip(some, values, strict=True)}
        return found

    def _client(self) -> Any:
        address = self._address
        manners: dict[str, Any] = {
            # Newer ones, with what comes unasked, are of no use here.
            "protocol": 2,
            "socket_connect_timeout": CONNECT_TIMEOUT,
            "socket_timeout": ANSWER_TIMEOUT,
            # A connection that Redis ended while it was idle. What was sent and not answered is not sent again.
            "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
            **self._secure(),
        }
        us: dict[str, Any] = {"db": address.database, "username": address.username, "password": address.password}
        if not address.sentinels:
            socket = None if address.socket is None else str(address.socket)
            return Redis(host=address.host, port=address.port, unix_socket_path=socket, **us, **manners)
        there = {"username": address.sentinel_username, "password": address.sentinel_password, **manners}
        return Sentinel(list(address.sentinels), sentinel_kwargs=there).master_for(address.master, **us, **manners)

    def _secure(self) -> dict[str, Any]:
        tls = self._address.tls
        if tls is None:
            return {}
        options: dict[str, Any] = {
            "ssl": True,
            "ssl_cert_reqs": "none" if tls.insecure else "required",
            "ssl_check_hostname": not tls.insecure,
            "ssl_min_version": ssl.TLSVersion.TLSv1_2,
            "ssl_ca_data": tls.ca,
        }
        if tls.client is not None and tls.client_key is not None:
            own = MemoryFile(tls.client), MemoryFile(tls.client_key)
            self._files += own
            options |= {"ssl_certfile": own[0].path, "ssl_keyfile": own[1].path}
        return options

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (AuthenticationError, AuthorizationError, NoPermissionError) as error:
            raise Distrusted(f"Redis ({self._address}) refuses what is needed: {error}") from error
        except (RedisError, OSError) as error:
            if _is_about_certificates(error):
                raise Distrusted(f"Redis ({self._address}) is not who it should be: {error}") from error
            message = f"Redis ({self._address}) is not to be had: {type(error).__name__} {said_by_redis(error)}"
            raise Unavailable(message) from error


def said_by_redis(error: BaseException) -> str:
    """Give an error in Redis' own words: of one within a transaction redis-py tells the whole command first."""
    return str(error).rpartition(_WITHIN)[2]


_WITHIN = "of pipeline caused error: "


def _is_about_certificates(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _text(raw: bytes | str) -> str:
    # Whatever others store, it must come back as it was.
    return raw if isinstance(raw, str) else raw.decode(errors="surrogateescape")


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogateescape")
