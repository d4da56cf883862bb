"""What lies on the disk, in logs and in metrics after real processes have served real requests.

Canaries: names, phones, codes, tokens and registration ids that must be nowhere in plaintext. The one exception
is the outbox, which stands in for an SMS gateway, and of which /readyz warns.
"""

from __future__ import annotations

import base64
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import sqlite_utils

from checkin.files.tables import SqliteTables, Values
from checkin.protocol import credential as credentials
from checkin.protocol import presentation
from checkin.protocol.encoding import b64url_decode
from checkin.protocol.primitives import random_bytes
from issuer.access_notices import ADD
from issuer.database import ISSUER
from issuer.service import Issuer
from tests.support.issuer_service import E164, NAME, PHONE, Site, ask_batch, begin, confirm, enrol, register
from tests.support.service_folder import DAY, bearer
from tests.support.serving import ready


def _spellings(secret: str) -> list[bytes]:
    """A canary as it could lie about: UTF-8, UTF-16, JSON escapes, base64, digits only."""
    raw = secret.encode()
    digits = re.sub(r"\D", "", secret).encode()
    several = [raw, secret.encode("utf-16-le"), secret.encode("unicode_escape"), base64.b64encode(raw).rstrip(b"=")]
    return several + ([digits] if len(digits) >= 9 else [])


def _found(site: Site, secrets: list[str], *more: bytes) -> list[tuple[str, str]]:
    places = {str(path): content for path, content in site.files().items() if "outbox" not in path.parts}
    places |= {str(path): path.read_bytes() for path in (site.folder / "keys").rglob("*") if path.is_file()}
    places |= {f"answer {number}": content for number, content in enumerate(more)}
    spelled = [(secret, spelling) for secret in secrets for spelling in _spellings(secret)]
    return [(secret, place) for secret, spelling in spelled for place, text in places.items() if spelling in text]


def test_no_name_phone_code_or_token_is_anywhere_in_plaintext(site: Site) -> None:
    """In a real process: registered, one half-way, wrong codes, batches, hosted codes, a deletion, bad requests."""
    process = site.process()
    with ready([process], "/healthz"), process.client() as client:
        assert site.list_keys(client).status_code == 200
        token = register(site, client)
        ask_batch(client, token)
        shown = client.post("/v1/qr", json={}, headers=bearer(token)).json()["token"]
        waiting = begin(client, "Halfway Person", "010-8765-4321")
        confirm(client, waiting, "00000000")
        for body in ({"name": "Bad\nCanaryname", "phone": "1"}, {"name": NAME, "phone": ["010-1111-2222"]}):
            client.post("/v1/registrations", json=body)
        client.post("/v1/credentials", content=b"{CANARYBODY", headers=bearer(token))
        client.get("/v1/wallet", headers=bearer("CANARYTOKEN"))
        gone = register(site, client, "Deleted Person", "010-5555-6666")
        client.delete("/v1/wallet", headers=bearer(gone))
        metrics, readiness = client.get("/metrics").content, client.get("/readyz").content
        codes = [code for _, code in site.messages()]
        while_running = _found(site, [NAME, PHONE, E164, token, gone, waiting])
    visit = presentation.read(presentation.from_text(shown)).credential.visit_id.hex()
    secrets = [NAME, PHONE, E164, token, gone, waiting, shown, visit]
    secrets += ["Halfway Person", "010-8765-4321", "010-1111-2222", "Deleted Person", "010-5555-6666"]
    secrets += ["Bad\nCanaryname", "Canaryname", "CANARYBODY", "CANARYTOKEN"]
    log = process.log.read_bytes()
    assert while_running == []
    assert _found(site, secrets, log, metrics, readiness) == []
    # Six digits are also found by chance in sealed bytes; in text they would be the code.
    assert [code for code in codes for text in (log, metrics, readiness) if code.encode() in text] == []


def test_the_log_does_not_say_who_asked_or_when(site: Site) -> None:
    """Requests leave no line at all; what is logged is about the service."""
    process = site.process()
    with ready([process], "/healthz"), process.client() as client:
        site.list_keys(client)
        before = process.log.read_bytes()
        token = register(site, client)
        for _ in range(3):
            ask_batch(client, token)
            client.get("/v1/wallet", headers=bearer(token))
        assert process.log.read_bytes() == before


def test_no_column_of_the_database_is_finer_than_a_day(site: Site, client: httpx.Client) -> None:
    """Every number stored is a day, a count, a flag or a random subject; none looks like a time of today."""
    token = register(site, client)
    ask_batch(client, token)
    client.post("/v1/qr", json={}, headers=bearer(token))
    begin(client, phone="010-8765-4321")
    with closing(sqlite3.connect(site.folder / "data" / "issuer.db")) as connection:
        tables = sqlite_utils.Database(connection).tables
        stored = {table.name: list(table.rows) for table in tables}
        declared = "\n".join(str(table.schema) for table in tables)
    assert declared.count("CREATE TABLE") == declared.count("WITHOUT ROWID") == len(stored)
    assert not re.search(r"time|stamp|created|seen|DEFAULT", declared, re.IGNORECASE)
    cells = [cell for rows in stored.values() for row in rows for cell in row.items()]
    numbers = {value for column, value in cells if isinstance(value, int) and column not in ("subject", "number")}
    assert DAY in numbers
    assert max(numbers) <= DAY + 14  # days, counts and flags: a time would be larger


def test_when_a_day_has_ended_the_database_keeps_no_order_of_arrival(tmp_path: Path) -> None:
    """Rows lie in a page of SQLite in the order in which they came, until the file is written anew: then two files
    with the same rows are the same bytes, whoever came first."""
    people = [
        [number, random_bytes(32), DAY, random_bytes(16), 0, None, random_bytes(540), None] for number in range(200)
    ]
    files = []
    for name, order in (("forth", people), ("back", people[::-1])):
        database, file = SqliteTables(tmp_path / name, ISSUER), tmp_path / name / "issuer.db"
        for person in order:
            with database.writing() as tables:
                tables.execute("INSERT INTO identities VALUES (?, ?, ?, ?, ?, ?, ?, ?)", person)
        database.tidy()
        before = file.read_bytes()
        for today in (DAY + 1, DAY + 1, DAY + 2):
            database.settle(today)
        assert not file.with_name("issuer.db-wal").read_bytes()
        database.close()
        files.append((before, file.read_bytes()))
    ((first, settled_first), (second, settled_second)) = files
    assert first != second, "the control: before, they tell"
    assert settled_first == settled_second


def test_the_day_after_the_notices_of_an_order_keep_no_order_of_arrival(site: Site) -> None:
    """Who was asked about first is told by the file on the running day, and not from the next one on."""
    keys = [random_bytes(16) for _ in range(100)]
    rows: list[Values] = [
        {"id": key, "day": DAY, "owner": random_bytes(16), "release": DAY + 2, "sealed": random_bytes(540)}
        for key in keys
    ]
    path = site.folder / "data" / "receipts.db"
    files = []
    for order in (rows, rows[::-1]):
        with site.open() as issuer:
            tables = issuer.notices._tables
            tables.write(lambda commit: commit.execute("DELETE FROM receipts"))
            tables.write(lambda commit, order=order: commit.many(ADD, order))  # type: ignore[misc]
            before = _both(path)
            for today in (DAY + 1, DAY + 1, DAY + 2):
                issuer.notices.settle(today)
            files.append((before, _both(path)))
        path.unlink()
    ((first, settled_first), (second, settled_second)) = files
    assert first != second, "the control: before, they tell"
    assert settled_first == settled_second
    assert all(key in settled_first for key in keys)


def _both(path: Path) -> bytes:
    """A database's file and its write-ahead log."""
    log = path.with_name(path.name + "-wal")
    return path.read_bytes() + (log.read_bytes() if log.exists() else b"")


def test_the_day_after_the_database_is_written_anew_by_itself(site: Site, issuer: Issuer) -> None:
    site.set_day(DAY + 1, hour=0)
    issuer.guard.tick()
    issuer.settle_days()
    assert issuer.database.read("PRAGMA application_id") == [(DAY + 1,)]


def test_messages_bear_random_names_and_no_time(site: Site, client: httpx.Client) -> None:
    register(site, client)
    (path,) = (site.folder / "data" / "outbox").iterdir()
    assert re.fullmatch(r"[0-9a-f]{32}\.txt", path.name)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_mtime == site.calendar.start(DAY)


def test_metrics_move_once_a_day_and_hide_small_numbers(site: Site, client: httpx.Client, issuer: Issuer) -> None:
    for number in range(12):
        token = register(site, client, phone=f"010-8765-43{number:02}")
        ask_batch(client, token)
    ask_batch(client, token, DAY + 1)

    def batches() -> float:
        issuer.count()
        text = client.get("/metrics").text
        return float(next(line for line in text.splitlines() if line.startswith("checkin_issuer_batches")).split()[1])

    assert batches() == 0.0
    site.set_day(DAY + 1, hour=0)
    assert batches() == 12.0
    ask_batch(client, token, DAY + 1)
    assert batches() == 12.0
    site.set_day(DAY + 2, hour=0)
    assert batches() == 0.0


def test_a_deleted_name_is_not_even_sealed_in_the_file_any_more(site: Site, issuer: Issuer) -> None:
    """Without a batch nothing leads to the person: the row goes at once, overwritten, in the log as well."""
    subject = enrol(issuer)
    sealed, phone = issuer.database.read("SELECT sealed, phone FROM identities")[0]
    assert _holds(site, sealed)
    issuer.accounts.end(subject)
    assert not _holds(site, sealed)
    assert not _holds(site, phone)


def test_both_connections_overwrite_and_sync(issuer: Issuer) -> None:
    """Whatever SQLite's build does by default."""
    for look in (issuer.database.read, lambda pragma: issuer.database.write(lambda commit: commit.execute(pragma))):
        found = [look(f"PRAGMA {name}")[0][0] for name in ("secure_delete", "synchronous", "journal_mode")]
        assert found == [1, 2, "wal"]


def test_a_taken_hosted_code_is_not_in_the_file_any_more(site: Site, client: httpx.Client, issuer: Issuer) -> None:
    token = register(site, client)
    client.post("/v1/qr", json={}, headers=bearer(token))
    before = [row[0] for row in issuer.database.read("SELECT sealed FROM hosted")]
    for _ in range(9):
        client.post("/v1/qr", json={}, headers=bearer(token))
    issuer.database.tidy()
    assert [sealed for sealed in before if _holds(site, sealed)] == []


def test_a_thief_of_all_files_but_not_the_keys_reads_nothing(site: Site, client: httpx.Client) -> None:
    """The database as SQLite shows it: every blob is a MAC, a hash or sealed."""
    register(site, client)
    connection = sqlite3.connect(f"file:{site.folder / 'data' / 'issuer.db'}?mode=ro", uri=True)
    text = "\n".join(connection.iterdump())
    connection.close()
    for secret in (NAME, E164, "1012345678"):
        assert secret not in text
        assert secret.encode().hex() not in text.lower()


@pytest.mark.parametrize("route", ["/openapi.json", "/docs"])
def test_the_documentation_is_served_without_a_token(client: httpx.Client, route: str) -> None:
    assert client.get(route).status_code == 200


def test_a_credential_is_not_kept(site: Site, client: httpx.Client) -> None:
    answer = ask_batch(client, register(site, client)).json()
    for text in answer["credentials"]:
        encoded = b64url_decode(text)
        read = credentials.read(encoded)
        for piece in (encoded, read.visit_id, read.holder_key, read.sealed_subject, read.commitment):
            assert not _holds(site, piece)


def _holds(site: Site, piece: bytes) -> list[Path]:
    return [path for path, content in site.files().items() if piece in content]
