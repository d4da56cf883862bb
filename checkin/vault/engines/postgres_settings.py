"""Settings of a PostgreSQL server with which acknowledged rows are lost, or which keep the times of rows.

Sources: https://www.postgresql.org/docs/18/runtime-config-wal.html, -replication.html, -logging.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple

from checkin.files.postgres_connection import Connection
from checkin.vault.engines import EngineFinding

OLDEST_VERSION: Final = 160000
_SETTINGS: Final = "SELECT name, setting FROM pg_settings WHERE name = ANY($1)"
_STANDBYS: Final = "SELECT count(*), current_setting('synchronous_standby_names') FROM pg_stat_replication"
_LEFT_SLOTS: Final = "SELECT count(*) FROM pg_replication_slots WHERE NOT active"


class _PostgresSetting(NamedTuple):
    """A setting, the values of it that are fit, how bad another one is, and what it does."""

    name: str
    fit: tuple[str, ...]
    level: Literal["warning", "failure"]
    text: str


_LOST: Final = "acknowledged check-ins can be lost"
_TIMES: Final = "it keeps when and in which order rows came"
_DEBUG: Final = tuple(f"debug{number}" for number in range(1, 6))
_RULES: Final = (
    _PostgresSetting("fsync", ("on",), "failure", _LOST),
    _PostgresSetting("synchronous_commit", ("on", "remote_apply"), "failure", _LOST),
    _PostgresSetting(
        "client_min_messages", ("notice", "warning", "info", "log", *_DEBUG), "failure", f"unseen, {_LOST}"
    ),
    _PostgresSetting("full_page_writes", ("on",), "failure", _LOST),
    _PostgresSetting("track_commit_timestamp", ("off",), "failure", _TIMES),
    _PostgresSetting("archive_mode", ("off",), "warning", f"the archive outlives destroyed days, and {_TIMES}"),
    _PostgresSetting(
        "wal_level", ("minimal", "replica"), "warning", f"who decodes the write-ahead log copies rows, and {_TIMES}"
    ),
    _PostgresSetting("log_statement", ("none", "ddl"), "warning", f"in its log {_TIMES}"),
    _PostgresSetting("log_min_duration_statement", ("-1",), "warning", f"in its log {_TIMES}"),
    _PostgresSetting("log_min_duration_sample", ("-1",), "warning", f"in its log {_TIMES}"),
    _PostgresSetting("log_transaction_sample_rate", ("0",), "warning", f"in its log {_TIMES}"),
    _PostgresSetting("auto_explain.log_min_duration", ("-1",), "warning", f"in its log {_TIMES}"),
    _PostgresSetting("pgaudit.log", ("none", ""), "warning", f"in its log {_TIMES}"),
    _PostgresSetting("log_duration", ("off",), "warning", f"in its log {_TIMES}"),
    _PostgresSetting("default_transaction_isolation", ("read committed",), "warning", "writers refuse one another"),
)


def dangers(connection: Connection) -> list[EngineFinding]:
    """What is set so now; names no host, no user and no database."""
    return [*_unfit(connection), *_copies(connection)]


def _unfit(connection: Connection) -> Iterator[EngineFinding]:
    if connection.info.server_version < OLDEST_VERSION:
        yield EngineFinding("engine_version", "failure", "PostgreSQL is older than 16: move to a newer one.")
    found = dict(connection.execute(_SETTINGS, [[rule.name for rule in _RULES]]).fetchall())
    for rule in _RULES:
        if (value := found.get(rule.name, rule.fit[0])) not in rule.fit:
            text = f"PostgreSQL runs with {rule.name} = {value}: {rule.text}. Set it to {rule.fit[0]}."
            yield EngineFinding(f"engine_{rule.name}", rule.level, text)


def _copies(connection: Connection) -> Iterator[EngineFinding]:
    """Standbys that no commit waits for: what is acknowledged is lost when one of them takes over. Slots without a
    reader: the server keeps its write-ahead log for them, without a bound."""
    [(standbys, waited)] = connection.execute(_STANDBYS).fetchall()
    if standbys and not waited:
        text = f"PostgreSQL waits for none of its standbys: when one takes over, {_LOST}."
        yield EngineFinding("engine_standbys", "warning", f"{text} Set synchronous_standby_names.")
    [(left,)] = connection.execute(_LEFT_SLOTS).fetchall()
    if left:
        text = f"PostgreSQL keeps its write-ahead log for slots without a reader: the disk fills, and {_TIMES}."
        yield EngineFinding("engine_slots", "warning", f"{text} Start the reader, or drop the slot.")
