"""Nobody but those whom the threat model lists can link a person to a visit: computed over all combinations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.attacks import linkability
from tests.attacks.linkability import (
    AUTHORITY,
    COLUMNS,
    DRAFTER,
    ISSUER_DAY,
    ISSUER_IDENTITY,
    LIVE,
    LIVE_AUTHORITY,
    LIVE_ISSUER,
    LIVE_REGISTRY,
    LIVE_SCANNER,
    QUEUE,
    REGISTRY_DAY,
    REGISTRY_INTAKE,
    ROOT,
    SEALS,
    SHARES,
    build,
    columns,
)

NAMES = {"issuer: issuer.db", ISSUER_IDENTITY}
"""Names and phones by subject."""
SEALS_OPENED = ({ISSUER_DAY, *AUTHORITY}, {ISSUER_DAY, LIVE_AUTHORITY})
"""What opens a sealed subject."""
VISITS = {"registry: visits", REGISTRY_DAY}
QUEUED = {QUEUE, REGISTRY_INTAKE}
SEEN = (VISITS, QUEUED, {LIVE_REGISTRY}, {LIVE_SCANNER})
"""What shows which visit id was where."""
LISTED = {frozenset(NAMES | seal | seen) for seal in SEALS_OPENED for seen in SEEN}
LISTED |= {frozenset({LIVE_ISSUER} | seen) for seen in SEEN}


def test_exactly_the_listed_combinations_link_a_person_to_a_visit() -> None:
    """Out of all that can be stolen or corrupted; whatever has one of these inside links, and nothing else."""
    model = build()
    assert len(model.holdings) >= 12
    assert model.smallest() == LISTED


def test_no_two_parties_stores_and_keys_suffice() -> None:
    """At rest: all that two of the three parties have, with all their keys, and the scanners' queues besides."""
    model = build()
    at_rest = [one for one in model.holdings if one not in LIVE]
    for missing in ("issuer", "registry", "authority"):
        held = frozenset(one for one in at_rest if not one.startswith(missing))
        if missing == "registry":
            held -= {QUEUE}  # a scanner's queue is the registry's, not there yet
        assert not model.links(held), missing
    assert model.links(frozenset(at_rest))


@pytest.mark.parametrize("key", [ISSUER_DAY, REGISTRY_DAY, "authority: day keys' slots"])
def test_destroying_one_of_three_day_keys_ends_it_for_whoever_comes_later(key: str) -> None:
    """All stores of all parties, and all other keys, officers included; a queue is empty after 28 days."""
    model = build()
    held = frozenset(model.holdings) - LIVE - {QUEUE, key}
    assert not model.links(held)
    assert model.links(held | {key})


def test_a_hosted_wallet_lets_its_issuer_and_the_registry_link_codes_that_it_still_holds() -> None:
    """Said wherever it is offered: the issuer holds those codes until they are shown."""
    names = NAMES | {ISSUER_DAY}
    sees_it_all = {one for one in LISTED if LIVE_ISSUER in one}
    without_the_authority = {frozenset(names | there) for there in SEEN}
    assert build(hosted=True).smallest() == sees_it_all | without_the_authority


def test_what_an_order_disclosed_can_be_read_from_the_answers_by_the_officers_who_asked() -> None:
    """As long as the answers are kept: it takes k officers' shares, and is what they asked for."""
    more = build(ordered=True).smallest() - LISTED
    assert more
    assert all(SHARES in one or LIVE_AUTHORITY in one for one in more)


def test_whoever_drafts_an_order_links_nobody_by_that(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the folder of the order and every answer that the services keep. Control: when drafting made the keys that
    answers were sealed to, these and the answers sufficed."""
    answers = frozenset({DRAFTER, "issuer: orders.db", "registry: orders.db"})
    assert not any(DRAFTER in one for one in build(ordered=True).smallest())
    assert not build(ordered=True).links(answers)
    for service in ("issuer", "venue"):
        column = (service, "answers", "sealed")
        monkeypatch.setitem(linkability.COLUMNS, column, (frozenset({DRAFTER}), COLUMNS[column][1]))
    assert build(ordered=True).links(answers)


# --- the model would notice -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "smaller"),
    [
        # A visit id in the issuer's ledger, or a subject in the registry's rows: no authority is needed any more.
        (("issuer", "ledger/day-*.db", "rows", "visit_id", "none"), NAMES | {"issuer: ledger", ISSUER_DAY} | VISITS),
        (("venue", "visits/day-*.db", "rows", "subject", "none"), NAMES | VISITS),
        (("venue", "visits/day-*.db", "rows", "phone", "none"), VISITS),
        # The time at which a batch was fetched, to the minute: joined with the minute of the visit.
        (("issuer", "ledger/day-*.db", "rows", "fetched", "minute"), NAMES | {"issuer: ledger", ISSUER_DAY} | VISITS),
        (("issuer", "issuer.db", "identities", "last_seen", "second"), NAMES | VISITS),
    ],
)
def test_a_plaintext_column_more_changes_the_answer(column: tuple[str, str, str, str, str], smaller: set[str]) -> None:
    """Whoever adds it to a data map, as the house rules ask, meets the test above."""
    found = build((column,)).smallest()
    assert frozenset(smaller) in found
    assert found != LISTED


@pytest.mark.parametrize("seal", ["sealed_subject", "inner", "entry"])
def test_a_layer_less_changes_the_answer(seal: str) -> None:
    """The outer seal, the inner one, and the seal on σ: each is needed."""
    model = build()
    weaker = replace(model, seals={**SEALS, seal: (frozenset(), SEALS[seal][1])})
    assert weaker.smallest() != LISTED


def test_everything_the_model_says_about_a_column_is_about_one_that_exists() -> None:
    """A renamed column is readable until somebody says what is in it."""
    declared = {(service, table, column) for service, _, table, column, _ in columns()}
    assert set(COLUMNS) <= declared


def test_the_threat_model_lists_the_same_combinations() -> None:
    """Readable: one line each, in docs/threat-model.md."""
    page = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")
    lines = [line[2:].split(" + ") for line in page.splitlines() if line.startswith("- issuer: ") and " + " in line]
    assert {frozenset(line) for line in lines} == LISTED
