"""How often something may be done, until a window is over: counted in memory by each worker process for itself, and by
all processes and machines together in a Valkey or Redis that keeps nothing, where the settings name one.

A name there is a MAC under a sub-key of today's key. Name and count expire with their window, at the latest with the
day. While the server does not answer, nothing is counted there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs, urlsplit

import structlog
from limits import RateLimitItem
from limits.errors import ConfigurationError
from limits.storage import MemoryStorage, RedisStorage

from checkin.clock import STOPWATCH, SystemClock
from checkin.errors import SettingsInvalid, TooManyRequests
from checkin.files.dsn_file import is_here, read_line
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.primitives import Label, hmac_sha256, random_bytes
from checkin.service.frame import Finding
from checkin.service.identity import ServiceIdentity

TIMEOUT_SECONDS = 0.3
"""For connecting, and for each answer."""
AWAY_SECONDS: Final = 1.0
FRESH_SECONDS: Final = 60.0  # of what was found about the server's set-up
_NAME_BYTES: Final = 16
_TAKE_BACK: Final = "if tonumber(redis.call('GET', KEYS[1]) or 0) > 0 then redis.call('DECR', KEYS[1]) end"
_AWAY: Final = (
    "The server of throttles_dsn_file does not answer ({why}): until it does, each worker process counts for itself "
    "what all should count together. Start it, or look at its log and at what stands in that file."
)
_UNKNOWN: Final = (
    "What the server of throttles_dsn_file keeps cannot be looked at: allow this service CONFIG GET and INFO there."
)
_COPIED: Final = (
    "The server of throttles_dsn_file has a replica, or is one: end that. What is lost with a server is a minute."
)
_TOGETHER: Final = Finding(
    "throttles", "ok", "All worker processes and machines count together, at the server of throttles_dsn_file."
)
R = TypeVar("R")
log = structlog.get_logger()


_TIMES: Final = "the moments of registrations and changes, by names that only this service's keys explain"
_RULES: Final = (
    ("save", "", f"it writes to a disk {_TIMES}"),
    ("appendonly", "no", f"it writes to a disk {_TIMES}"),
    ("slowlog-log-slower-than", "-1", f"its slow log keeps {_TIMES}"),
)
"""Settings of the server, of each the one value that is fit, and what another one does."""
_UNFIT: Final = 'The server of throttles_dsn_file runs with {name} {value!r}: {harm}. Set it to "{fit}".'


class SharedCounts:
    """One per process; any thread. What goes wrong at the server never fails a request."""

    def __init__(self, party: ServiceIdentity, dsn_file: Path | None) -> None:
        """Without a file nothing is counted here. Raises `SettingsInvalid`; connects when it is first used."""
        self._party = party
        self._storage = None if dsn_file is None else _storage(dsn_file)
        self._away_until = 0.0  # boot clock; 0 while the server answers
        self._why = ""
        self._found: list[Finding] = []
        self._looked_until = 0.0

    def incr(self, key: str, expiry: int) -> int:
        """How many there are with this one, in a window of so many seconds that the first one began; 0: not known."""
        return self._ask(lambda server: server.incr(self._name(key), min(expiry, self._left_of_day()))) or 0

    def decr(self, key: str) -> None:
        """One does not count, if any does."""
        self._ask(lambda server: server.storage.eval(_TAKE_BACK, 1, server.prefixed_key(self._name(key))))

    def get(self, key: str) -> int:
        """How many there are; 0 also when that is not known."""
        return self._ask(lambda server: server.get(self._name(key))) or 0

    def get_expiry(self, key: str) -> float:
        """When the window is over, unix seconds of the machine's own clock."""
        return self._ask(lambda server: server.get_expiry(self._name(key))) or 0.0

    def findings(self) -> list[Finding]:
        """Whether the server answers, each time; what it keeps, looked at once a minute."""
        if self._storage is None:
            return []
        if STOPWATCH.boot() < self._looked_until and self._ask(lambda server: server.storage.ping()):
            return self._found
        found = self._ask(_look)
        self._looked_until = 0.0 if found is None else STOPWATCH.boot() + FRESH_SECONDS
        self._found = [Finding("throttles", "warning", _AWAY.format(why=self._why))] if found is None else found
        return self._found

    def close(self) -> None:
        if self._storage is not None:
            self._storage.storage.close()

    def _ask(self, step: Callable[[Any], R]) -> R | None:
        """What the server says, None if it does not. Then one in a second tries again, and no other waits for it."""
        if self._storage is None or STOPWATCH.boot() < self._away_until:
            return None
        if self._away_until:
            self._away_until = STOPWATCH.boot() + AWAY_SECONDS
        try:
            answer = step(self._storage)
        except Exception as error:  # of the network, the server, its answer, or of today's key
            if not self._away_until:
                log.warning("throttles_away", type=type(error).__name__)
            self._why, self._away_until = type(error).__name__, STOPWATCH.boot() + AWAY_SECONDS
            return None
        self._away_until = 0.0
        return answer

    def _name(self, key: str) -> str:
        today = KeyName(Purpose.DAY, self._party.today())
        mac_key = self._party.ring.subkey(today, Label.SUB_THROTTLE)
        return hmac_sha256(mac_key, key.encode())[:_NAME_BYTES].hex()

    def _left_of_day(self) -> int:
        """Whole seconds until names are others; what is counted under today's is not read after that."""
        return int(self._party.calendar.start(self._party.today() + 1) - self._party.now()) + 1


def _storage(dsn_file: Path) -> RedisStorage:
    wrong = (
        f"The DSN file {dsn_file.name} is missing or does not hold one line like unix:///run/checkin/throttles.sock or "
        "rediss://user:password@host"
    )
    dsn = read_line(dsn_file, wrong)
    try:
        place = urlsplit(dsn)
        where = place.path if place.scheme == "unix" else place.hostname
        if place.scheme not in ("unix", "redis", "rediss") or not where:
            raise SettingsInvalid(wrong)
        if place.scheme == "redis" and not is_here(where):
            raise SettingsInvalid(f"{dsn_file.name} names another machine: reach it by TLS, as rediss://…")
        # Whatever else the library takes here makes waits longer, or leaves certificates unproved.
        if parse_qs(place.query).keys() - {"db", "ssl_ca_certs"}:
            raise SettingsInvalid(f"{dsn_file.name} may have db=… and ssl_ca_certs=… after its ?, and nothing else.")
        return RedisStorage(
            dsn, key_prefix="checkin", socket_timeout=TIMEOUT_SECONDS, socket_connect_timeout=TIMEOUT_SECONDS
        )
    except ConfigurationError:
        raise SettingsInvalid(
            "The client for Valkey and Redis is not installed: pip install 'private-qr-checkin[redis]'."
        ) from None
    except ValueError:
        raise SettingsInvalid(wrong) from None


def _look(server: Any) -> list[Finding]:
    """That it answers, and what of its set-up keeps something for longer than its window, or elsewhere."""
    found = [_TOGETHER]
    try:
        for name, fit, harm in _RULES:
            # A server without the setting keeps nothing by it.
            value = server.storage.config_get(name).get(name, fit)
            if value != fit:
                text = _UNFIT.format(name=name, value=value, harm=harm, fit=fit)
                found.append(Finding(f"throttles_{name}", "warning", text))
        copies = server.storage.info("replication")
    except server.dependency.ResponseError:
        return [_TOGETHER, Finding("throttles_unknown", "warning", _UNKNOWN)]
    if copies["role"] != "master" or copies["connected_slaves"]:
        found.append(Finding("throttles_replication", "warning", _COPIED))
    return found


class Bound:
    """So many of each key, in a window that begins with its first one. Keys are kept as MACs alone."""

    def __init__(self, item: RateLimitItem, refusal: str, shared: SharedCounts, wait: float | None = None) -> None:
        """`item`'s namespace is the bound's own. `wait`: the seconds that a refusal names, where no caller may learn
        when the window began."""
        self._item = item
        self._refusal = refusal
        self._wait = wait
        self._own = MemoryStorage()
        self._shared = shared
        self._mac_key = random_bytes(32)

    def pass_one(self, key: str) -> None:
        """Counts one; raises `TooManyRequests`, with nothing counted and when it may go."""
        with ExitStack() as back:
            # One's own first: whatever becomes of the server, a process lets no more pass than without one.
            for counts, name in self._places(key):
                back.callback(counts.decr, name)
                if counts.incr(name, self._item.get_expiry()) > self._item.amount:
                    # The library goes by the machine's own clock.
                    left = counts.get_expiry(name) - SystemClock().now()
                    raise TooManyRequests(self._refusal, left if self._wait is None else self._wait)
            back.pop_all()

    def give_back(self, key: str) -> None:
        """One that passed does not count."""
        for counts, name in self._places(key):
            counts.decr(name)

    def full(self, key: str) -> bool:
        return any(counts.get(name) >= self._item.amount for counts, name in self._places(key))

    def _places(self, key: str) -> Iterator[tuple[MemoryStorage | SharedCounts, str]]:
        """Where it is counted, and under which name there."""
        name = self._item.key_for(key)
        yield self._own, hmac_sha256(self._mac_key, name.encode()).hex()
        yield self._shared, name  # of which it makes a MAC that others make, too
