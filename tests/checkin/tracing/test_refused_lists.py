"""What a list for a later step of an order cannot do, through the real services."""

from __future__ import annotations

from typing import Any

from checkin.orders.folder import SignedOrder
from checkin.orders.lists import ListedSeal, ListedVisit, write_list
from checkin.orders.part import CONTACTS, PEOPLE
from checkin.protocol.note import sign_note
from checkin.protocol.primitives import random_bytes
from checkin.tracing.trace import Trace
from tests.checkin.tracing.conftest import Scene
from tests.checkin.tracing.orders import NAMES, code, number_of, order
from tests.checkin.tracing.world import DAY, SECOND, person_order


def listed(scene: Scene, signed: SignedOrder, number: int, items: list[Any], trace: Trace | None = None) -> str:
    """A list signed with the order's key."""
    signer = (trace or scene.country.opened(signed)).keys.signer
    return sign_note(write_list(signed.parts[number].part.digest, items), signer)


def test_a_part_is_for_one_list_and_a_second_one_is_refused(scene: Scene) -> None:
    """Reuse: the first list is answered as often as it is asked, another one never."""
    signed = order(scene)
    number = number_of(signed, PEOPLE, "issuer.localhost")
    body = scene.country.body(signed, number)
    seal = ListedSeal(DAY, random_bytes(16), random_bytes(24))
    first = body | {"list": listed(scene, signed, number, [])}
    assert [code(scene.country.send("issuer", first)) for _ in range(2)] == ["ok", "ok"]
    second = body | {"list": listed(scene, signed, number, [seal])}
    assert code(scene.country.send("issuer", second)) == "order_reused"
    assert code(scene.country.send("issuer", first)) == "ok"


def test_a_list_by_another_hand_or_for_another_part_is_refused(scene: Scene) -> None:
    """The order's own key signs, and exists only inside a trace."""
    signed, other = order(scene), order(scene)
    number = number_of(signed, PEOPLE, "issuer.localhost")
    body = scene.country.body(signed, number)
    foreign = listed(scene, other, number, [])
    own_key = sign_note(write_list(other.parts[number].part.digest, []), scene.country.opened(signed).keys.signer)
    by_officer = sign_note(write_list(signed.parts[number].part.digest, []), scene.country.officers[0])
    for note in (foreign, own_key, by_officer, "", None):
        assert code(scene.country.send("issuer", body | {"list": note})) == "order_scope"
    assert code(scene.country.send("issuer", body | {"list": listed(scene, signed, number, [])})) == "ok"


def test_a_list_about_a_day_that_the_part_does_not_cover_is_refused(scene: Scene) -> None:
    """At the issuer and at the registry."""
    signed = order(scene)
    number = number_of(signed, PEOPLE, "issuer.localhost")
    seal = ListedSeal(DAY - 1, random_bytes(16), random_bytes(24))
    body = scene.country.body(signed, number) | {"list": listed(scene, signed, number, [seal])}
    assert code(scene.country.send("issuer", body)) == "order_scope"
    signed = scene.country.signed(next(NAMES), person_order(scene.alice))
    number = number_of(signed, CONTACTS)
    visit = ListedVisit(1, DAY + 1, random_bytes(16))
    body = scene.country.body(signed, number) | {"list": listed(scene, signed, number, [visit])}
    assert code(scene.country.send("venue", body)) == "order_scope"


def test_seals_of_another_issuer_or_visit_open_nothing(scene: Scene) -> None:
    """An inner seal is bound to its issuer, day and visit: moved, it is noise, and its visit id is told back."""
    signed = order(scene)
    trace = scene.country.opened(signed)
    number = number_of(signed, PEOPLE, f"{SECOND}.localhost")
    seals = [ListedSeal(DAY, random_bytes(16), random_bytes(24))]
    body = scene.country.body(signed, number) | {"list": listed(scene, signed, number, seals, trace)}
    assert code(scene.country.send(SECOND, body)) == "ok"
    digest = signed.parts[number].part.digest
    assert "people fewer than 10\n" in scene.country.statements(SECOND)[f"order-executed-{digest[:32]}"]
