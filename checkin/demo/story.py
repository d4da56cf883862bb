"""The whole story on real input: three processes, a visitor, a door, a thief, 28 days, an auditor.

Each chapter is a function, and below them stands what they try and look at; what they stand on is in `stage.py`. The
simulated clock is the story's own: only what a chapter says happens in between. Results are left in DIR/artifacts
(docs/demo.md).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import sqlite_utils

from checkin.audit.sweep import sweep
from checkin.clock import RETENTION_DAYS
from checkin.demo.investigation import a_health_officer, an_auditor, the_same_order
from checkin.demo.narrator import Narrator, expect
from checkin.demo.stage import Stage, enrol, raised, refusal, registered, wait_until
from checkin.demo.thief import SavedKey, copy_databases, open_subject, open_visits
from checkin.deployment.deployment import ISSUER_NUMBER, SERVICES
from checkin.errors import CheckinError
from checkin.http.client import Client
from checkin.keys.key_ring import KeyName, Purpose
from checkin.parties.scanner import Scanner, ScanResult
from checkin.parties.wallet import Wallet
from checkin.protocol import presentation, qr
from checkin.protocol.credential import Draft, Mode, Status, issue, new_opening
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.primitives import OpeningKey, SigningKey, random_bytes
from checkin.purge.statement_store import report_name
from checkin.vault.engines import Row
from checkin.vault.engines.sqlite import SqliteStore
from checkin.vault.vault import SubKeys

NAME: Final = "Kim Ji-woo"
PHONE: Final = "+821012345678"


def run(
    folder: Path, tell: Narrator, *, serve: bool = False, started: Callable[[list[str]], None] = lambda _: None
) -> bool:
    """Narrate the whole story in `folder`, which must be empty; whether every step did what it should.

    With `serve` the services go on afterwards, under the story's clock, until interrupted.
    `started` is called with their addresses.
    """
    try:
        opening = "Three services that trust only what is signed, each with keys of its own."
        tell.chapter("Before the doors open", opening)
        with raised(folder, tell) as stage:
            started([stage.deployment.url(name) for name in SERVICES])
            visitor = a_visitor(stage)
            scanner = a_door(stage, visitor)
            saved = a_thief(stage)
            a_health_officer(stage, scanner, PHONE)
            twenty_eight_days_later(stage, scanner, *saved)
            an_auditor(stage, (NAME, PHONE))
            _leave_summary(folder, tell)
            tell.chapter("The end", f"{len(tell.steps)} steps in {tell.seconds:.1f} seconds.")
            tell.say(f"Everything is in {stage.artifacts}")
            tell.say(
                "Next: `checkin up` runs it for real; `checkin --help` lists the rest; docs/index.md tells the why."
            )
            if serve:
                tell.say(stage.deployment.addresses())
                stage.processes.wait(stage.deployment.tend, tell.say)
    except CheckinError as error:
        tell.say(f"{error.code}: {error.detail}")
        _leave_summary(folder, tell)
    return bool(tell.summary()["ok"])


def _leave_summary(folder: Path, tell: Narrator) -> None:
    (folder / "artifacts").mkdir(exist_ok=True)
    (folder / "artifacts" / "summary.json").write_text(json.dumps(tell.summary(), indent=1) + "\n", encoding="ascii")


def a_visitor(stage: Stage) -> Wallet:
    """Registration, a batch, a code, and the code read back from its picture."""
    tell, issuer = stage.tell, stage.deployment.url("issuer")
    tell.chapter("A visitor", f"{NAME} registers once. After this the issuer never learns where or when.")
    with tell.step("register", "Name and phone, confirmed by a one-time code", "the code came through the outbox"):
        visitor = registered(stage.deployment, NAME, PHONE)
    with tell.step("batch", "Ten credentials for today, for keys made in the wallet", "one batch, ten doors, no times"):
        stage.fetch(visitor)
        with Client(issuer) as client:
            published = client.get("/v1/keys")
        stage.leave("issuer-keys.json", {"issuer": published["issuer"], "keys": published["keys"]})
    with tell.step("code", "A code, signed by the wallet alone", "309 bytes, 468 characters, good for 20 seconds"):
        text = stage.code(visitor)
        expect(len(text) == 468, f"The code has {len(text)} characters instead of 468.")
        stage.leave("token.txt", text)
        stage.leave("qr.png", qr.to_png(text))
        stage.leave("qr.svg", qr.to_svg(text))
    tell.block(qr.to_terminal(text))
    with tell.step("read-back", "Another library reads the same text from the PNG", "the picture is the code"):
        expect(
            qr.read_image((stage.artifacts / "qr.png").read_bytes()) == [text], "The picture does not hold the code."
        )
    return visitor


def a_door(stage: Stage, visitor: Wallet) -> Scanner:
    """Accepted, refused three times, queued while the registry is down, and what each database holds."""
    tell = stage.tell
    tell.chapter("A door", "A café scans codes. It learns that they are genuine, and not whose they are.")
    with tell.step("enrol", "The café enrols, and its scanner fetches the lists", "it pins who may sign what"):
        scanner = enrol(stage, "Café Mugunghwa")
    token = (stage.artifacts / "token.txt").read_text(encoding="ascii")
    with tell.step("check-in", "The code is scanned: welcome", "on the disk before the door says so"):
        scan = scanner.scan(token, stage.advance(3))
        expect(stage.at("venue", scan) is ScanResult.ACCEPTED, "The code was not accepted.")
        (row,) = visit_rows(stage)
        columns = {name: b64url_encode(getattr(row, name)) for name in ("key", "group", "nonce", "sealed")}
        stage.leave("visit-row.json", {"day": stage.calendar.date(stage.day), "bucket": row.bucket, **columns})
    with tell.step("second-use", "The same code at another door: already used", "once, in the whole registry"):
        refused(stage, "already_used", enrol(stage, "Bookshop Daol"), token)
    with tell.step("expired", "A photograph of a code, half a minute later: expired", "screenshots are no use"):
        photograph = stage.code(visitor)
        stage.advance(30)
        refused(stage, "token_expired", scanner, photograph)
    with tell.step("forged", "A code that somebody signed himself: no such issuer", "only listed keys count"):
        refused(stage, "unknown_issuer_key", scanner, forged(stage))
        refused(stage, "bad_signature", scanner, altered(stage.code(visitor)))
    with tell.step("offline", "The registry goes down; the door goes on, into a sealed queue", "no door closes"):
        stage.processes.kill("venue")
        scan = scanner.scan(stage.code(visitor), stage.advance(5))
        expect(stage.at("venue", scan) is ScanResult.QUEUED, "The visit was not queued.")
    with tell.step("upload", "The registry is back and takes the queue", "a sealed entry, opened only there"):
        stage.processes.start("venue")
        stage.settle()
        uploaded = stage.at("venue", scanner.upload())
        expect(uploaded == [{"result": "accepted"}], "The queued visit was not accepted.")
    for service, name in zip(SERVICES, ("issuer", "registry", "retention service"), strict=True):
        tell.table(f"What the {name} holds", ["file", "table", "rows", "columns"], table_rows(stage, service))
    return scanner


def a_thief(stage: Stage) -> tuple[SavedKey, SavedKey, OpeningKey]:
    """Every database is copied; alone they say nothing, with all three parties' keys everything. The keys of registry,
    issuer and authority that somebody kept."""
    tell = stage.tell
    tell.chapter("A thief", "Somebody copies every database of all three services.")
    with tell.step("copy", "All databases copied", "as a backup would be; no key lies in any of them"):
        copy_databases(stage.deployment.folder, stage.copies)
    with tell.step("no-names", "Neither name nor phone is anywhere in the registry's files", "searched byte by byte"):
        for holder, place in (("registry", "venue"), ("ledger", "issuer/ledger")):
            found = sweep(stage.copies / place, [NAME, PHONE])
            expect(found.files and not found.hits, f"The {holder} holds a name or a phone.")
    with tell.step("with-keys", "With the live keys of all three parties the visits open", "so the opener works"):
        registry, issuer, authority = stage.ring("venue"), stage.ring("issuer"), stage.authority_day_key()
        subjects = opened(stage, registry, issuer, authority)
        expect(len(subjects) == 2 and len(set(subjects)) == 1, "The opener did not find the two visits of one person.")
    tell.say("Somebody dishonest now keeps copies of today's keys, to be the control of what comes later.")
    return SavedKey(registry, stage.day), SavedKey(issuer, stage.day), authority


def twenty_eight_days_later(
    stage: Stage, scanner: Scanner, registry: SavedKey, issuer: SavedKey, saved_authority: OpeningKey
) -> None:
    """Everything of the day is destroyed by itself; the copies open nothing, unless the keys were copied, too."""
    tell, day = stage.tell, stage.day
    tell.chapter("Twenty-eight days later", "Nobody presses a button. The clock strikes, and the day is gone.")
    with tell.step("clock", f"The simulated clock jumps to {stage.calendar.date(day + RETENTION_DAYS)}", "28 days on"):
        stage.advance(stage.calendar.due(day) + 60 - stage.clock.now())
    with tell.step("purge", "Issuer and registry destroy the day, the authority its key", "by themselves"):
        stage.deployment.tend()
        stage.settle()
        wait_until(lambda: all(gone(stage, service) for service in ("issuer", "venue")))
    with tell.step("stated", "Two officers state in the log that the authority's key is gone", "with its commitment"):
        authority = stage.deployment.authority()
        expect(authority.ring.overwritten(day), "The authority's slot was not overwritten.")
        expect(day in authority.logged().stated(), "The log has no statement of the authority's officers.")
    with tell.step("row-gone", "The row and the keys are gone from the disk", "looked for in folders and slots"):
        for service in ("issuer", "venue"):
            expect(KeyName(Purpose.DAY, day) not in stage.ring(service).names(), f"A slot is left at the {service}.")
        expect(not visit_rows(stage), "A row is left at the registry.")
    with tell.step("copies-closed", "The stolen copies open nothing now", "destroying a key reaches every copy"):
        closed(lambda: opened(stage, stage.ring("venue"), issuer, saved_authority), "registry")
        closed(lambda: opened(stage, registry, stage.ring("issuer"), saved_authority), "issuer")
        closed(stage.authority_day_key, "authority")
    with tell.step("control", "The same opener with the keys that were kept opens them", "the key was what mattered"):
        expect(opened(stage, registry, issuer, saved_authority), "The control opened nothing.")
    with tell.step("same-order", "The same order, signed again: nobody can execute it", "day_destroyed, everywhere"):
        the_same_order(stage, scanner.venue_id, PHONE)


def refused(stage: Stage, code: str, scanner: Scanner, text: str) -> None:
    """Raises `StoryFailedError` unless the scan is refused with exactly this code."""
    found = refusal(lambda: stage.at("venue", scanner.scan(text, stage.clock.now())))
    expect(found == code, f"Refused with {found or 'nothing'} instead of {code}.")


def closed(attempt: Callable[[], object], whose: str) -> None:
    """Raises `StoryFailedError` unless the attempt fails for want of a key."""
    found = refusal(attempt) or "the copies still open"
    expect(found in ("day_destroyed", "key_destroyed", "key_missing"), f"With the key ring of the {whose}: {found}")


def opened(stage: Stage, registry: SubKeys, issuer: SubKeys, authority: OpeningKey) -> list[int]:
    """The subject numbers behind all visits in the stolen copies."""
    visits = open_visits(stage.copies, stage.day, registry)
    return [open_subject(visit, stage.day, authority, issuer) for visit in visits]


def forged(stage: Stage) -> str:
    """A code that the visitor issued, not an issuer."""
    holder = SigningKey(random_bytes(32))
    opening = new_opening(Status.NONE)
    draft = Draft(stage.day, Mode.SCREEN, random_bytes(16), holder.public, random_bytes(72), opening)
    credential = issue(draft, ISSUER_NUMBER, SigningKey(random_bytes(32)))
    return presentation.to_text(presentation.present(credential, holder, int(stage.clock.now())))


def altered(text: str) -> str:
    """A genuine code with one bit of its signature changed."""
    token = bytearray(presentation.from_text(text))
    token[-1] ^= 1
    return presentation.to_text(bytes(token))


def gone(stage: Stage, service: str) -> bool:
    """Whether the service has a statement about the day's destruction."""
    token = stage.deployment.token(f"retention-{service}")
    with Client(stage.deployment.url(service), token) as client:
        names = [statement["name"] for statement in client.get("/v1/statements")["statements"]]
    return report_name(stage.day) in names


def visit_rows(stage: Stage) -> list[Row]:
    """What the registry has stored of the first day."""
    with closing(SqliteStore(stage.deployment.folder / "venue" / "data" / "visits", ordered=True)) as store:
        return list(store.rows(stage.day))


def table_rows(stage: Stage, service: str) -> list[list[str]]:
    """Database, table, rows and columns of everything that a service's data folder holds."""
    rows = []
    for path in sorted((stage.deployment.folder / service / "data").rglob("*.*")):
        if path.suffix not in (".db", ".sqlite"):
            continue
        with sqlite_utils.Database(path) as database:
            for table in database.tables:
                columns = ", ".join(column.name for column in table.columns)
                rows.append([path.name, table.name, str(table.count), columns])
    return rows
