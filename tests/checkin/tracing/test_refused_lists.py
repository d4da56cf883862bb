"""What a list for a later step of an order cannot do, through the real services."""

from __future__ import annotations

import re
from typing import Any

import pytest

from checkin.orders.order import SignedOrder
from checkin.orders.part import CONTACTS, PEOPLE
from checkin.orders.rows import ListedSeal, ListedVisit, write_list
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import SigningKey, random_bytes
from checkin.service import order_executor
from checkin.tracing.trace import Trace
from tests.checkin.tracing.conftest import Scene
from tests.checkin.tracing.orders import NAMES, code, number_of, order
from tests.support.deployment_in_threads import SECOND, person_order
from tests.support.service_folder import DAY

_NOBODY = SigningKey(random_bytes(32))


def listed(scene: Scene, signed: SignedOrder, number: int, items: list[Any], trace: Trace | None = None) -> str:
    """A list signed as in a trace."""
    signer = (trace or scene.country.opened(signed)).signer
    return sign_note(write_list(signed.parts[number].part.digest, items), signer)


def test_all_lists_of_a_part_together_get_no_more_rows_than_its_limit(scene: Scene) -> None:
    """Reuse: each list is answered as often as it is asked, identically; further ones only up to the limit."""
    signed = order(scene, limit=2)
    number = number_of(signed, PEOPLE, "issuer.localhost")
    body = scene.country.body(signed, number)
    seals = [ListedSeal(DAY, random_bytes(16), random_bytes(24)) for _ in range(3)]
    lists = [body | {"list": listed(scene, signed, number, [seal])} for seal in seals]
    first = [scene.country.send("issuer", one) for one in lists[:2]]
    assert [code(answer) for answer in first] == ["ok", "ok"]
    assert code(scene.country.send("issuer", lists[2])) == "order_too_large"
    assert [scene.country.send("issuer", one).json() for one in lists[:2]] == [answer.json() for answer in first]
    stated = [note for note in scene.country.statements("issuer").values() if signed.parts[number].part.digest in note]
    assert sum("checkin/order-executed" in note for note in stated) == 2


def test_a_part_takes_a_bounded_number_of_lists(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of such as get no rows."""
    monkeypatch.setattr(order_executor, "MAX_LISTS", 2)
    signed = scene.country.signed(next(NAMES), person_order(scene.alice))
    number = number_of(signed, CONTACTS)
    body = scene.country.body(signed, number)
    lists = [body | {"list": listed(scene, signed, number, [ListedVisit(1, DAY, random_bytes(16))])} for _ in range(3)]
    assert [code(scene.country.send("venue", one)) for one in lists] == ["ok", "ok", "order_reused"]
    assert code(scene.country.send("venue", lists[0])) == "ok"


def test_a_list_by_another_hand_or_for_another_part_is_refused(scene: Scene) -> None:
    """A key signs that follows from the ring key, and exists only inside a trace."""
    signed, other = order(scene), order(scene)
    number = number_of(signed, PEOPLE, "issuer.localhost")
    body = scene.country.body(signed, number)
    foreign = sign_note(write_list(signed.parts[number].part.digest, []), NoteSigner("health.localhost/lists", _NOBODY))
    own_key = sign_note(write_list(other.parts[number].part.digest, []), scene.country.opened(signed).signer)
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
    [(name, note)] = [found for found in scene.country.statements(SECOND).items() if digest[:32] in found[0]]
    assert re.fullmatch(rf"order-executed-{digest[:32]}-[0-9a-f]{{16}}", name), "a part with lists: of which one"
    assert "people fewer than 10\n" in note
