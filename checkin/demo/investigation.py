"""The demonstration's officer and its auditor: a second visitor in the same café, an order of two officers, what it
finds, what it finds once the day is destroyed, and an audit of everything, verified from outside with public keys."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from dataclasses import replace
from functools import partial
from typing import Final

from checkin.audit.audit_page import audit_html, read_audit
from checkin.audit.auditor import Verdict, verify
from checkin.audit.destroyed import Book
from checkin.audit.evidence import Evidence, read_vkeys
from checkin.audit.words import RESULTS, point_words
from checkin.demo.narrator import expect
from checkin.demo.stage import Stage, execute, messages, refusal, registered, wait_until, write_order
from checkin.http.client import Client
from checkin.keys.officer_folder import load_signer
from checkin.orders.order import OrderRequest
from checkin.parties.scanner import Scanner, ScanResult
from checkin.parties.wallet import notice_in_words

AUDIT_SECONDS: Final = 120.0
NAME: Final = "Lee Seo-yeon"
PHONE: Final = "+821087654321"
MEASLES: Final = OrderRequest(
    case="2026-17",
    purpose="contacts of a person with measles",
    basis="Infectious Disease Control and Prevention Act, Article 76-2",
)


def a_health_officer(stage: Stage, scanner: Scanner, patient: str) -> None:
    """`patient` is the first visitor's phone; the second one is found, and learns of it three days later."""
    tell = stage.tell
    tell.chapter("A health officer", "The first visitor is ill. Who was near? It takes two officers to ask, in public.")
    with tell.step("neighbour", f"{NAME} checks in at the same café, eight minutes later", "another visitor, unknown"):
        second = registered(stage.deployment, NAME, PHONE)
        stage.fetch(second)
        now = stage.advance(8 * 60)
        scan = scanner.scan(stage.code(second), now)
        expect(stage.at("venue", scan) is ScanResult.ACCEPTED, "The second visitor was not accepted.")
    with tell.step("order", "An officer writes an order and signs it alone: not enough", "one officer opens nothing"):
        folder = write_order(stage, "order", replace(MEASLES, phone=patient, days=(stage.day, stage.day)))
        folder.sign([load_signer(stage.deployment.officers()[0])])
        found = refusal(lambda: folder.open(stage.deployment.authority().officers))
        expect(found == "note_untrusted", "One officer's signature was enough.")
    with tell.step("signed", "A second officer signs: the order, its parts, the log's entry", "once, for every step"):
        folder.sign([load_signer(stage.deployment.officers()[1])])
    with tell.step("trace", "Logged, asked, opened with two officers' shares", "each party saw only its own part"):
        result = execute(stage, folder)
        people = [(person["name"], person["phone"]) for person in csv.DictReader(io.StringIO(result.csv()))]
        expect(people == [(NAME, "'" + PHONE)], f"The trace found {len(people)} people instead of the one contact.")
        stage.leave("trace.csv", result.csv())
        stage.leave("trace.json", result.json())
        stage.leave("trace.html", result.html())
    rows = [[step.audience, step.asked, step.not_told, str(step.rows)] for step in result.asked]
    tell.table("Who was asked what", ["party", "asked", "not told", "rows"], rows)
    with tell.step("notice", "Three days later the contact's wallet is told, with a batch", "never by asking for it"):
        stage.advance(3 * 86400)
        stage.deployment.tend()
        stage.settle()
        stage.fetch(second)
        expect(second.disclosures, "The batch of three days later did not tell the contact.")
    tell.say(notice_in_words(second.disclosures[0]))


def the_same_order(stage: Stage, venue: str, patient: str) -> None:
    """The order after the purge: signed as before, and it cannot be executed."""
    noon = stage.calendar.start(stage.day) + 12 * 3600
    person = replace(MEASLES, phone=patient, days=(stage.day, stage.day))
    place = replace(MEASLES, venue=venue, window=(noon, noon + 3600))
    for number, request in enumerate((person, place), start=1):
        folder = write_order(stage, f"late-order-{number}", request)
        folder.sign([load_signer(path) for path in stage.deployment.officers()[:2]])
        found = refusal(partial(execute, stage, folder))
        expect(found == "day_destroyed", f"An order about a destroyed day: {found or 'executed'}")


def an_auditor(stage: Stage, visitor: tuple[str, str]) -> None:
    """Everything is audited, signed and logged; an outsider verifies it with nothing but the verifier keys.

    `visitor`: name and phone of the auditor's first test visitor; the one that the officer found is the second.
    """
    tell, url = stage.tell, stage.deployment.url("retention")
    tell.chapter("The auditor", "Who was not there can check what was destroyed, when, and by whose statement.")
    stage.leave("vkeys.txt", stage.deployment.vkeys_text())
    collected = tell.step("reports", "Retention collected a signed report from both services", "one a service and day")
    with collected, Client(url) as client:
        date = stage.calendar.date(stage.day)
        wait_until(lambda: len(client.get("/v1/purge-reports", day=date)["reports"]) == 2)
    with tell.step("audit", "Every service audits itself, and retention signs and logs it", "no line of it fails"):
        found = NAME in (stage.artifacts / "trace.csv").read_text(encoding="utf-8")
        wait_until(lambda: not messages(stage.deployment))  # of the first day, too
        held = registered(stage.deployment, *visitor)
        stage.fetch(held)
        body = {"words": [*visitor, NAME, PHONE], "tokens": [stage.code(held)], "found": found}
        with Client(url, stage.deployment.token("auditor"), AUDIT_SECONDS) as client:
            audit = client.post("/v1/audits", body)
        failed = [point.line() for point in read_audit(audit["note"])[1] if point.result == "fail"]
        expect(audit["result"] == "pass", f"The audit failed: {failed}")
    tell.say(f"{visitor[0]} had taken no codes for 28 days: the account ended with its last record, and began anew.")
    tell.table("The audit, point by point", ["point", "organisations", "result"], _audit_lines(audit["note"]))
    with tell.step("verify", "Everything verifies under vkeys.txt", "a file of public keys is all it takes"):
        verdict = _collect(stage, url, audit["place"], audit["note"])
        expect(verdict.ok, f"{len(verdict.faults)} faults, the first one: {[vars(f) for f in verdict.faults[:1]]}")
    gone = [day for day in verdict.days if day.index is not None]
    for day in gone:
        tell.say(f"{day.day}: destroyed on {day.done}, stated by {day.by}, entry {day.index} of the log")
    with tell.step("tampered", "One byte of one report is changed: it is named", "the check can also fail"):
        path = sorted((stage.artifacts / "purge-reports").iterdir())[0]
        genuine = path.read_bytes()
        path.write_bytes(genuine.replace(b"rows ", b"rows 1", 1))
        faults = verify(Evidence.of_folder(stage.artifacts)).faults
        path.write_bytes(genuine)
        expect([fault.path for fault in faults] == [f"purge-reports/{path.name}"], "The change was not found.")


def _collect(stage: Stage, url: str, place: int, note: str) -> Verdict:
    """Everything that the retention service shows, saved, and then read back from the files alone."""
    pinned = read_vkeys(stage.artifacts / "vkeys.txt")
    with Client(url) as client:
        shown = Evidence.online(client, pinned)
        verdict = verify(shown)
        head = expect(verdict.head, "The checkpoint does not verify.")
        for name, content in shown.contents(head.size).items():
            stage.leave(name, content)
        stage.leave("audit.json", client.get_bytes(f"/v1/audits/{place}"))
    stage.leave("audit.html", audit_html(place, note, Book(list(verdict.entries))))
    return verify(Evidence.of_folder(stage.artifacts))


def _audit_lines(note: str) -> list[list[str]]:
    """One line a point: at how many organisations it was looked at, and the worst of what came of it."""
    results = defaultdict(list)
    for point in read_audit(note)[1]:
        results[point.name].append(point.result.value)
    worst = {name: next(r for r in ("fail", "pass", "not-run") if r in seen) for name, seen in results.items()}
    return [[point_words(name)[0], str(len(results[name])), RESULTS[result][0]] for name, result in worst.items()]
