"""The story's last chapter: an audit of everything, and its verification from outside with a file of public keys."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from checkin.audit.audit_page import audit_html, read_audit
from checkin.audit.auditor import Verdict, verify
from checkin.audit.destroyed import Book
from checkin.audit.evidence import Evidence, read_vkeys
from checkin.audit.words import RESULTS, point_words
from checkin.demo.investigation import NAME as CONTACT
from checkin.demo.investigation import PHONE as CONTACT_PHONE
from checkin.demo.narrator import expect
from checkin.demo.stage import Stage, messages, registered, wait_until
from checkin.http.asking import drive
from checkin.http.client import Client
from checkin.parties import wallet

AUDIT_SECONDS: Final = 120.0


def inspect(stage: Stage, visitor: Sequence[str]) -> None:
    """`visitor`: name and phone of the auditor's first test visitor; the one that the officer found is the second."""
    tell, url = stage.tell, stage.deployment.url("retention")
    tell.chapter("The auditor", "Who was not there can check what was destroyed, when, and by whose statement.")
    stage.leave("vkeys.txt", stage.deployment.vkeys_text())
    collected = tell.step("reports", "Retention collected a signed report from both services", "one a service and day")
    with collected, Client(url) as client:
        date = stage.calendar.date(stage.day)
        wait_until(lambda: len(client.get("/v1/purge-reports", day=date)["reports"]) == 2)
    with tell.step("audit", "Every service audits itself, and retention signs and logs it", "no line of it fails"):
        found = CONTACT in (stage.artifacts / "trace.csv").read_text(encoding="utf-8")
        body = {"words": [*visitor, CONTACT, CONTACT_PHONE], "tokens": [_fresh_code(stage, *visitor)], "found": found}
        with Client(url, stage.deployment.token("auditor"), AUDIT_SECONDS) as client:
            audit = client.post("/v1/audits", body)
        failed = [point.line() for point in read_audit(audit["note"])[1] if point.result == "fail"]
        expect(audit["result"] == "pass", f"The audit failed: {failed}")
    tell.say(f"{visitor[0]} had taken no codes for 28 days: the account ended with its last record, and began anew.")
    tell.table("The audit, point by point", ["point", "organisations", "result"], _lines(audit["note"]))
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


def _fresh_code(stage: Stage, name: str, phone: str) -> str:
    """A code of the test visitor, of today: those of the first day have been destroyed with it."""
    wait_until(lambda: not messages(stage.deployment))  # of the first day, too
    held = registered(stage.deployment, name, phone)
    today = stage.calendar.day(stage.clock.now())
    stage.at("issuer", held.fetch(today, stage.calendar, pinned=stage.deployment.verifier("issuer")))
    code = drive(held.open_code(today))
    expect(code, "The wallet has no code of today.")
    assert code is not None  # noqa: S101 - just expected
    return wallet.present(code, stage.clock.now(), stage.calendar)


def _collect(stage: Stage, url: str, place: int, note: str) -> Verdict:
    """Everything that the retention service shows, saved, and then read back from the files alone."""
    pinned = read_vkeys(stage.artifacts / "vkeys.txt")
    with Client(url) as client:
        shown = Evidence.online(client, pinned)
        verdict = verify(shown)
        expect(verdict.head, "The checkpoint does not verify.")
        assert verdict.head is not None  # noqa: S101 - just expected
        for name, content in shown.contents(verdict.head.size).items():
            stage.leave(name, content)
        stage.leave("audit.json", client.get_bytes(f"/v1/audits/{place}"))
    stage.leave("audit.html", audit_html(place, note, Book(list(verdict.entries))))
    return verify(Evidence.of_folder(stage.artifacts))


def _lines(note: str) -> list[list[str]]:
    """One line a point: at how many organisations it was looked at, and the worst of what came of it."""
    results = defaultdict(list)
    for point in read_audit(note)[1]:
        results[point.name].append(point.result.value)
    worst = {name: next(r for r in ("fail", "pass", "not-run") if r in seen) for name, seen in results.items()}
    return [[point_words(name)[0], str(len(results[name])), RESULTS[result][0]] for name, result in worst.items()]
