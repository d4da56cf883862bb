"""The demonstration's officer: a second visitor in the same café, an order of two officers, what it finds, and what
the same order finds once the day is destroyed."""

from __future__ import annotations

import csv
import io
from typing import Final

from checkin.demo.narrator import expect
from checkin.demo.stage import Stage, registered
from checkin.errors import DayDestroyed, NoteUntrusted
from checkin.http.asking import drive
from checkin.keys.officer_folder import load_share, load_signer
from checkin.orders.folder import OrderFolder
from checkin.orders.order import OrderRequest, draft
from checkin.parties import wallet
from checkin.parties.scanner import ScanResult as Verdict
from checkin.parties.wallet import notice_in_words
from checkin.tracing.execute import execute_order
from checkin.tracing.trace_result import TraceResult

NAME: Final = "Lee Seo-yeon"
PHONE: Final = "+821087654321"
MEASLES: Final = OrderRequest(
    case="2026-17",
    purpose="contacts of a person with measles",
    basis="Infectious Disease Control and Prevention Act, Article 76-2",
)


def a_health_officer(stage: Stage, patient: str) -> None:
    """`patient` is the first visitor's phone; the second one is found, and learns of it three days later."""
    tell = stage.tell
    tell.chapter("A health officer", "The first visitor is ill. Who was near? It takes two officers to ask, in public.")
    with tell.step("neighbour", f"{NAME} checks in at the same café, eight minutes later", "another visitor, unknown"):
        second = _check_in(stage)
    with tell.step("order", "An officer writes an order and signs it alone: not enough", "one officer opens nothing"):
        request = OrderRequest(**{**vars(MEASLES), "phone": patient, "days": (stage.day, stage.day)})
        folder = write_order(stage, "order", request)
        folder.sign([load_signer(stage.deployment.officers()[0])])
        _expect_untrusted(stage, folder)
    with tell.step("signed", "A second officer signs: the order, its parts, the log's entry", "once, for every step"):
        folder.sign([load_signer(stage.deployment.officers()[1])])
    with tell.step("trace", "Logged, asked, opened with two officers' shares", "each party saw only its own part"):
        result = execute(stage, folder)
        found = [(person["name"], person["phone"]) for person in csv.DictReader(io.StringIO(result.csv()))]
        expect(found == [(NAME, "'" + PHONE)], f"The trace found {len(found)} people instead of the one contact.")
        stage.leave("trace.csv", result.csv())
        stage.leave("trace.json", result.json())
        stage.leave("trace.html", result.html())
    rows = [[step.audience, step.asked, step.not_told, str(step.rows)] for step in result.asked]
    tell.table("Who was asked what", ["party", "asked", "not told", "rows"], rows)
    with tell.step("notice", "Three days later the contact's wallet is told, with a batch", "never by asking for it"):
        stage.jump(3 * 86400)
        stage.at("issuer", second.fetch(stage.calendar.day(stage.clock.now()), stage.calendar))
        expect(second.disclosures, "The batch of three days later did not tell the contact.")
    tell.say(notice_in_words(second.disclosures[0]))


def the_same_order(stage: Stage, patient: str) -> None:
    """The order after the purge: signed as before, and it cannot be executed."""
    assert stage.scanner is not None  # noqa: S101 - an earlier chapter enrolled it
    noon = stage.calendar.start(stage.day) + 12 * 3600
    person = OrderRequest(**{**vars(MEASLES), "phone": patient, "days": (stage.day, stage.day)})
    place = OrderRequest(**{**vars(MEASLES), "venue": stage.scanner.venue_id, "window": (noon, noon + 3600)})
    for number, request in enumerate((person, place), start=1):
        folder = write_order(stage, f"late-order-{number}", request)
        folder.sign([load_signer(path) for path in stage.deployment.officers()[:2]])
        try:
            execute(stage, folder)
        except DayDestroyed:
            continue
        expect(False, "An order about a destroyed day was executed.")


def _check_in(stage: Stage) -> wallet.Wallet:
    deployment = stage.deployment
    assert stage.scanner is not None  # noqa: S101 - an earlier chapter enrolled it
    second = registered(deployment, NAME, PHONE)
    stage.at("issuer", second.fetch(stage.day, stage.calendar, pinned=deployment.verifier("issuer")))
    opened = drive(second.open_code(stage.day))
    now = stage.advance(8 * 60)
    assert opened is not None  # noqa: S101 - fetched above
    scan = stage.scanner.scan(wallet.present(opened, now, stage.calendar), now)
    expect(stage.at("venue", scan) is Verdict.ACCEPTED, "The second visitor was not accepted.")
    return second


def write_order(stage: Stage, name: str, request: OrderRequest) -> OrderFolder:
    """An order without a signature yet, in the artifacts."""
    authority, parties = stage.authority(), stage.deployment.parties()
    order = draft(
        request,
        authority,
        registry=parties.registry.verifier.name,
        issuers=[issuer.verifier.name for issuer in parties.issuers],
        now=stage.clock.now(),
    )
    return OrderFolder.make(stage.artifacts / name, order)


def execute(stage: Stage, folder: OrderFolder) -> TraceResult:
    """What a signed order finds, with two officers' shares; raises what the parties refuse with."""
    authority = stage.authority()
    shares = [load_share(path) for path in stage.deployment.officers()[:2]]
    return execute_order(folder.open(authority.officers), authority, stage.deployment.parties(), shares)


def _expect_untrusted(stage: Stage, folder: OrderFolder) -> None:
    try:
        folder.open(stage.authority().officers)
    except NoteUntrusted:
        return
    expect(False, "One officer's signature was enough.")
