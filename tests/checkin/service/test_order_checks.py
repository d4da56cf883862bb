"""Each check of docs/spec/order.md §6 by itself, at the desks of an issuer and a registry without servers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from checkin.errors import (
    CheckinError,
    DayDestroyed,
    OrderExpired,
    OrderNotLogged,
    OrderReused,
    OrderScope,
    OrderTooLarge,
    OrderUntrusted,
    OrderWrongAudience,
)
from checkin.keys.officer_folder import load_share, load_signer
from checkin.keys.officers import join_shares, list_signer
from checkin.orders.order import SignedOrder
from checkin.orders.part import PEOPLE
from checkin.orders.rows import ListedSeal, write_list
from checkin.protocol.note import NoteSigner, sign_note, unverified_text
from checkin.protocol.primitives import SigningKey, random_bytes
from checkin.service import order_executor
from checkin.service.order_executor import OrderBody, OrderExecutor
from tests.support.deployment_in_process import CASE, Whole
from tests.support.service_folder import CALENDAR, DAY, NOON

HOUR = 3600.0
STRANGER = NoteSigner("health.example/lists", SigningKey(bytes(range(32))))


@pytest.fixture(scope="module")
def opened() -> Iterator[Whole]:
    """All parties, with keys, and a venue."""
    whole = Whole()
    whole.tend(NOON)
    whole.keep_house()
    yield whole
    whole.close()


@pytest.fixture
def whole(opened: Whole) -> Iterator[Whole]:
    """It is noon again."""
    yield opened
    opened.clock.set(CALENDAR.rfc3339(NOON))


def order(whole: Whole, now: float = NOON, *, simulated: bool = True) -> SignedOrder:
    """A good one, or not."""
    venue = whole.enrol("Cafe").venue
    return whole.signed(replace(CASE, venue=venue, window=(now - HOUR, now + HOUR)), now, simulated=simulated)


def body(whole: Whole, signed: SignedOrder, number: int = 0, **changes: str) -> OrderBody:
    """What the audience of that part is sent."""
    proof = changes.pop("proof", None) or whole.logged(signed).write()
    return OrderBody(**{"part": signed.parts[number].note, "entry": signed.entry, "proof": proof, **changes})


def refusal(desk: OrderExecutor, sent: OrderBody) -> type[CheckinError] | None:
    """None: it was executed."""
    try:
        desk.take(sent)
    except CheckinError as error:
        return type(error)
    return None


def people(signed: SignedOrder) -> int:
    """The part about names, which a list belongs to."""
    return next(number for number, one in enumerate(signed.parts) if one.part.step == PEOPLE)


def lists(whole: Whole) -> NoteSigner:
    """Who signs the lists of its orders."""
    return list_signer("health.example", join_shares(load_share(path) for path in whole.officers()[:2]))


def test_a_good_part_is_executed_and_answered_alike_again(whole: Whole) -> None:
    sent = body(whole, order(whole))
    answers = [whole.registry.orders.take(sent).sealed for _ in range(2)]
    assert answers[0] == answers[1]


def test_one_officers_signature_is_not_enough(whole: Whole) -> None:
    signed = order(whole)
    alone = sign_note(unverified_text(signed.parts[0].note), load_signer(whole.officers()[0]))
    assert refusal(whole.registry.orders, body(whole, signed, part=alone)) is OrderUntrusted


def test_a_part_made_under_another_kind_of_clock_is_refused(whole: Whole) -> None:
    assert refusal(whole.registry.orders, body(whole, order(whole, simulated=False))) is OrderUntrusted


def test_a_part_for_somebody_else_is_refused(whole: Whole) -> None:
    assert refusal(whole.issuer.orders, body(whole, order(whole))) is OrderWrongAudience


def test_an_expired_part_is_refused() -> None:
    late = Whole()  # its clock does not go back
    try:
        sent = body(late, order(late))
        late.clock.set(CALENDAR.rfc3339(NOON + CASE.life + 1))
        late.registry.guard.confirm()
        assert refusal(late.registry.orders, sent) is OrderExpired
    finally:
        late.close()


def test_a_part_that_would_live_for_more_than_a_week_is_refused(whole: Whole) -> None:
    sent = body(whole, order(whole, NOON + 5 * 24 * HOUR))
    assert refusal(whole.registry.orders, sent) is OrderScope


def test_a_part_without_its_list_is_refused(whole: Whole) -> None:
    signed = order(whole)
    assert refusal(whole.issuer.orders, body(whole, signed, people(signed))) is OrderScope


def test_a_list_by_another_hand_is_refused(whole: Whole) -> None:
    signed = order(whole)
    number = people(signed)
    forged = sign_note(write_list(signed.parts[number].part.digest, []), STRANGER)
    assert refusal(whole.issuer.orders, body(whole, signed, number, list=forged)) is OrderScope


def test_a_part_takes_so_many_lists_and_no_more(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order_executor, "MAX_LISTS", 0)
    signed = order(whole)
    number = people(signed)
    listed = sign_note(write_list(signed.parts[number].part.digest, []), lists(whole))
    assert refusal(whole.issuer.orders, body(whole, signed, number, list=listed)) is OrderReused
    monkeypatch.setattr(order_executor, "MAX_LISTS", 1)
    assert refusal(whole.issuer.orders, body(whole, signed, number, list=listed)) is None, "the control"


def test_a_part_that_is_not_in_the_log_is_refused(whole: Whole) -> None:
    """Neither without an entry of its own, nor with the proof of another one."""
    one, other = order(whole), order(whole)
    proof = whole.logged(other).write()
    assert refusal(whole.registry.orders, body(whole, one, proof=proof)) is OrderNotLogged
    assert refusal(whole.registry.orders, body(whole, one, proof=proof, entry=other.entry)) is OrderNotLogged


def test_all_answers_to_a_part_together_have_at_most_its_limit_of_rows(whole: Whole) -> None:
    """Reached it may be."""
    venue = whole.enrol("Cafe").venue
    signed = whole.signed(replace(CASE, limit=2, venue=venue, window=(NOON - HOUR, NOON + HOUR)), NOON)
    number, signer = people(signed), lists(whole)
    for refused in (None, None, OrderTooLarge):
        seal = ListedSeal(DAY, random_bytes(16), random_bytes(24))  # opens nothing, which is a row, too
        note = sign_note(write_list(signed.parts[number].part.digest, [seal]), signer)
        assert refusal(whole.issuer.orders, body(whole, signed, number, list=note)) is refused


def test_an_answer_is_not_given_again_once_its_day_is_over() -> None:
    """Whether or not the task that removes it has run."""
    late, then = Whole(), NOON - 27 * 24 * HOUR
    try:
        venue = late.enrol("Cafe").venue
        sent = body(late, late.signed(replace(CASE, venue=venue, window=(then - HOUR, then + HOUR)), NOON))
        assert refusal(late.registry.orders, sent) is None
        late.clock.set(CALENDAR.rfc3339(NOON + 2 * 24 * HOUR))
        late.registry.guard.confirm()
        assert refusal(late.registry.orders, sent) is DayDestroyed
    finally:
        late.close()
