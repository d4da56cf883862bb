"""What an executed order leaves behind: one answer, statements and numbers in public, a notice for each person."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from checkin.deployment.deployment import NAMES
from checkin.errors import CheckinError, DayDestroyed
from checkin.files.durable import locked
from checkin.http.client import Client
from checkin.orders.part import part_digest
from checkin.parties.wallet import notice_in_words
from checkin.protocol.note import open_note, unverified_text
from checkin.protocol.statement import one
from checkin.purge.statement_store import ORDER_EXECUTED, ORDER_REFUSED
from checkin.service.addresses import free_ports
from checkin.service.order_executor import OrderExecutor
from checkin.tracing.trace_result import TracedContact, neutral
from tests.checkin.tracing.conftest import Scene
from tests.support.deployment_in_threads import SECOND, Country, Person, person_order, serving, venue_order
from tests.support.service_folder import CALENDAR, DAY, NOON
from tests.support.waiting import until

_NAMES = (f"answer-{number}" for number in itertools.count())
HOUR = 3600.0


def cafe_order(scene: Scene) -> Any:
    return scene.country.signed(next(_NAMES), venue_order(scene.cafe, NOON - HOUR, NOON + HOUR))


def test_one_part_does_not_wait_for_another(own_scene: Scene) -> None:
    """While one is being executed, by whichever worker; the same part, sent again, waits for its turn."""
    country = own_scene.country
    slow = country.body(cafe_order(own_scene))
    quick = slow
    while _lock_of(quick) == _lock_of(slow):
        quick = country.body(cafe_order(own_scene))
    with ThreadPoolExecutor(1) as pool:
        with locked(country.deployment.folder / "venue" / "data" / _lock_of(slow)):
            waiting = pool.submit(country.send, "venue", slow)
            assert country.send("venue", quick).status_code == 200
            assert not waiting.done()
        assert waiting.result(120).status_code == 200


def _lock_of(body: dict[str, str]) -> str:
    """The file that a service locks while it executes this part."""
    return f"orders-{part_digest(unverified_text(body['part']))[0]}.lock"


def test_the_same_part_gets_the_identical_answer_until_it_expires(own_scene: Scene) -> None:
    """Also with a newer proof, after more visits, and after a restart of the service."""
    country = own_scene.country
    signed = cafe_order(own_scene)
    first = country.send("venue", country.body(signed)).json()["sealed"]
    country.visit(own_scene.alice, own_scene.cafe, NOON + 600)
    cafe_order(own_scene)
    assert country.send("venue", country.body(signed)).json()["sealed"] == first
    other = country.send("venue", country.body(cafe_order(own_scene))).json()["sealed"]
    assert len(other) > len(first)
    # Another process on the same folder, as a second worker or after a restart.
    listening, country.ports["venue"] = country.ports["venue"], free_ports(1)[0]
    with serving(country, "venue"):
        assert country.send("venue", country.body(signed)).json()["sealed"] == first
    country.ports["venue"] = listening


def test_a_trace_run_again_comes_to_the_same_result(scene: Scene) -> None:
    """A lost result can be had again, by other officers, too; and nobody is notified twice."""
    signed = cafe_order(scene)
    one_result = scene.country.execute(signed, shares=(0, 1))
    other = scene.country.execute(signed, shares=(1, 2))
    assert one_result.people == other.people
    assert {person.name for person in one_result.people} == {"Alice Ahn-young", "Bob Baek-hyeon", "Carol Choi-won"}
    assert one_result.csv() == other.csv()


def test_each_party_is_told_only_what_it_must_know(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is sent, searched: no person at the registry, no place at an issuer, nothing in the log."""
    sent: dict[str, str] = {}
    post = Client.post

    def listen(self: Client, path: str, body: Any = None) -> Any:
        sent[self.url] = sent.get(self.url, "") + str(body)
        return post(self, path, body)

    monkeypatch.setattr(Client, "post", listen)
    for wish in (person_order(scene.alice), venue_order(scene.cafe, NOON - HOUR, NOON + HOUR)):
        scene.country.trace(next(_NAMES), wish)
    who = [scene.alice.phone, "Alice Ahn-young", "Bob Baek-hyeon", scene.bob.phone, "phone"]
    where = [scene.cafe.venue_id, "Café", "venue"]
    case = ["2026-17", "measles"]
    told = {service: sent[scene.country.url(service)] for service in ("issuer", SECOND, "venue", "retention")}
    assert [word for word in [*who, "measles"] if word in told["venue"]] == []
    assert [word for service in ("issuer", SECOND) for word in where if word in told[service]] == []
    assert [word for word in who + where + case if word in told["retention"]] == []
    # The control arm: the search finds what is there.
    assert scene.cafe.venue_id in told["venue"]
    assert scene.alice.phone in told["issuer"]
    assert "Bob Baek-hyeon" not in told[SECOND]  # names come from it; they are never sent to it


def test_what_was_done_and_refused_is_stated_signed_and_counted(own_scene: Scene) -> None:
    """Once for each part and reason, so that a flood of the same attempt is one line; the log and the page show it."""
    country = own_scene.country
    signed = cafe_order(own_scene)
    country.execute(signed)
    for _ in range(3):
        assert country.send("issuer", country.body(signed)).json()["code"] == "order_wrong_audience"
    verifier = country.deployment.verifier("issuer")
    stated = country.statements("issuer")
    refused = [open_note(note, [verifier]).text for name, note in stated.items() if name.startswith("order-refused")]
    assert [one(ORDER_REFUSED.read(text), "code") for text in refused] == ["order_wrong_audience"]
    executed = [open_note(note, [verifier]).text for name, note in stated.items() if name.startswith("order-exec")]
    assert [one(ORDER_EXECUTED.read(text), "people") for text in executed] == ["fewer than 10"]
    assert _refusals(country.apps["issuer"].state.issuer.orders) == {"order_wrong_audience": 3}
    country.set(NOON + 86400)  # retention asks once a day
    numbers = until(lambda: _numbers(country))
    few = "fewer than 10"
    assert numbers == {"made": few, "executed": few, "refused": few, "people": few, "small": few}
    with country.client("retention") as client:
        for language, words in (("en", "made fewer than ten such orders"), ("ko", "명령은 열 건 미만입니다")):
            assert words in client.get("/", params={"lang": language}).text


def _refusals(desk: OrderExecutor) -> dict[str, int]:
    """How often each code was answered."""
    return dict(desk.store._tables.read("SELECT code, sum(times) FROM refusals GROUP BY code"))


def _numbers(country: Country) -> Any:
    """Once retention has collected what the services stated."""
    with country.client("retention") as client:
        numbers = client.get("/v1/orders").json()
    return numbers if "0" not in numbers.values() else None


def test_many_refusals_of_one_day_do_not_fill_the_log(scene: Scene) -> None:
    """Nor the disk: whoever stole the authority's token makes a hundred statements a day at most; all are counted."""
    desk = scene.country.apps[SECOND].state.issuer.orders
    before = sum(_refusals(desk).values())
    with scene.country.client(SECOND, scene.country.deployment.token("authority-issuer")) as client:
        for number in range(130):
            client.post("/v1/orders", json={"part": f"junk {number}", "entry": "", "proof": ""})
    assert sum(_refusals(desk).values()) == before + 130
    refused = [name for name in scene.country.statements(SECOND) if name.startswith("order-refused")]
    assert 50 <= len(refused) <= 100
    ((rows,),) = desk.store._tables.read("SELECT count(*) FROM refusals")
    assert rows <= 110


# --- notices ------------------------------------------------------------------------------------------------------


def test_everybody_who_was_identified_is_told_with_a_later_batch(own_scene: Scene) -> None:
    """Not on the same day, but within three; with a case number of one's own, the one that the officer has; and gone
    with the day that it is about."""
    country = own_scene.country
    result = country.trace(next(_NAMES), venue_order(own_scene.cafe, NOON - HOUR, NOON + HOUR))
    numbers = {person.name: person.notice for person in result.people}
    assert len(set(numbers.values())) == 3
    people = (own_scene.alice, own_scene.bob, own_scene.carol)
    for person in people:
        person.fetch(DAY)
        assert person.wallet.disclosures == []
    assert set(_told_on(country, people)) == {"Alice Ahn-young", "Bob Baek-hyeon", "Carol Choi-won"}
    for person in people:
        (notice,) = person.wallet.disclosures
        assert notice["case"] == numbers[person.name]
        assert (notice["authority"], notice["day"], notice["what"]) == ("health.localhost", "2026-11-20", "identified")
        words = notice_in_words(notice)
        assert "asked who was at a place you visited on 20 November 2026; your name and phone were given" in words
        assert "Café" not in str(notice)
        assert "2026-17" not in words  # the case of the officers is nobody else's
    receipts = country.apps["issuer"].state.issuer.notices
    subject = country.apps["issuer"].state.issuer.identities.subjects_of(own_scene.alice.phone)[0]
    assert len(receipts.of(subject)) == 1
    country.set(CALENDAR.due(DAY) + 60)
    assert until(lambda: receipts.of(subject) == [])


def _told_on(country: Country, people: Sequence[Person]) -> dict[str, int]:
    """On which day each of them was told; everybody asks for a batch on each of three days."""
    told: dict[str, int] = {}
    for day in range(DAY + 1, DAY + 4):
        country.set(CALENDAR.start(day) + 9 * HOUR)
        for person in people:
            until(partial(_fetched, person, day))
            if person.wallet.disclosures:
                told.setdefault(person.name, day)
    return told


def _fetched(person: Person, day: int) -> bool:
    try:
        person.fetch(day)
    except CheckinError:  # the new day's keys are made within a second
        return False
    return True


def test_the_person_asked_about_is_told_too_and_nobody_else(scene: Scene) -> None:
    """A patient's own codes were given; the wording says so."""
    scene.country.trace(next(_NAMES), replace(person_order(scene.bob), purpose="only this one"))
    issuer = scene.country.apps[SECOND].state.issuer
    (subject,) = issuer.identities.subjects_of(scene.bob.phone)
    rows = issuer.notices._about([DAY], subject, DAY + 3)
    mine = [receipt for receipt in rows if receipt.purpose == "only this one"]
    assert [receipt.what for receipt in mine] == ["codes"]
    assert "asked where your codes of 20 November 2026 were used" in notice_in_words(vars(mine[0]))


# --- the end ------------------------------------------------------------------------------------------------------


def test_a_deleted_account_is_still_found_as_long_as_the_day_is_held(own_scene: Scene) -> None:
    """Taking a batch and deleting the account hides nobody."""
    country, bob = own_scene.country, own_scene.bob
    with country.client(SECOND, bob.wallet.token) as client:
        assert client.delete("/v1/wallet").status_code == 202
    found = country.trace(next(_NAMES), venue_order(own_scene.cafe, NOON - HOUR, NOON + HOUR))
    assert {person.name for person in found.people} == {"Alice Ahn-young", "Bob Baek-hyeon", "Carol Choi-won"}
    near = country.trace(next(_NAMES), person_order(bob))
    assert {person.name for person in near.people} == {"Alice Ahn-young", "Carol Choi-won"}


def test_after_28_days_nobody_executes_the_order_that_worked_before(own_scene: Scene) -> None:
    """And an answer that was kept for repetition is gone with its day, before the order expires."""
    country = own_scene.country
    country.set(CALENDAR.due(DAY) - 60)
    until(lambda: country.apps["issuer"].state.issuer.guard.now() >= CALENDAR.due(DAY) - 60)
    signed = cafe_order(own_scene)
    body = country.body(signed)
    assert country.send("venue", body).status_code == 200
    country.set(CALENDAR.due(DAY))
    answer = country.send("venue", body)
    assert (answer.status_code, answer.json()["code"]) == (410, "day_destroyed")
    for wish in (person_order(own_scene.alice), venue_order(own_scene.cafe, NOON - HOUR, NOON)):
        with pytest.raises(DayDestroyed):
            country.trace(next(_NAMES), wish)


def test_of_several_days_those_that_are_left_are_answered_and_the_others_are_named(own_scene: Scene) -> None:
    """An order about 28 days, executed a day later than it was written, is not lost."""
    country = own_scene.country
    country.set(NOON + 86400)
    until(lambda: _fetched(own_scene.alice, DAY + 1))
    until(lambda: _fetched(own_scene.bob, DAY + 1))
    for minute, person in enumerate((own_scene.alice, own_scene.bob)):
        country.visit(person, own_scene.cafe, NOON + 86400 + 60 * minute)
    country.set(CALENDAR.due(DAY) + 60)
    result = country.trace(next(_NAMES), person_order(own_scene.alice, DAY, DAY + 1))
    assert result.gone == ["2026-11-20"]
    assert [person.name for person in result.people] == ["Bob Baek-hyeon"]


# --- results ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["=1+1", "+82", "-1", "@sum", "\tx", "\rx", "＝1", "＋1", "－1", "＠x"])
def test_no_cell_is_a_formula(cell: str) -> None:
    """Names with formulas reached health offices elsewhere."""
    assert neutral(cell) == "'" + cell
    assert neutral("Kim") == "Kim"
    assert neutral("") == ""


def test_the_result_is_a_table_with_a_header_and_a_page_without_scripts(scene: Scene) -> None:
    """Korean names, commas and quotes arrive as they are."""
    result = scene.country.trace(next(_NAMES), venue_order(scene.cafe, NOON - HOUR, NOON + HOUR))
    strange = replace(result.people[0], name='김, "하나" <b>', place="=cmd()")
    result = replace(result, people=[strange, *result.people[1:]])
    (first, *_) = csv.DictReader(io.StringIO(result.csv()))
    assert list(first) == list(TracedContact.__dataclass_fields__)
    assert (first["name"], first["place"], first["phone"]) == ('김, "하나" <b>', "'=cmd()", "'" + strange.phone)
    page = result.html()
    assert "<script" not in page
    assert "http://" not in page.replace('lang="en"', "")
    assert "김, &#34;하나&#34; &lt;b&gt;" in page
    assert "@page { size: A4" in page
    assert result.json()["people"][0]["name"] == '김, "하나" <b>'
    assert [step.audience for step in result.asked] == [NAMES["venue"], NAMES["issuer"], "issuer2.localhost"]


def test_nobody_is_told_of_an_answer_that_was_refused(scene: Scene) -> None:
    """Two batches where one row was allowed: refused, and no notice says that codes were given. Control: allowed."""
    scene.bob.fetch(DAY)
    issuer = scene.country.apps[SECOND].state.issuer
    (subject,) = issuer.identities.subjects_of(scene.bob.phone)
    for limit, purpose, told in ((1, "too much", 0), (1000, "not too much", 1)):
        wish = replace(person_order(scene.bob), limit=limit, purpose=purpose)
        signed = scene.country.signed(next(_NAMES), wish)
        number = next(at for at, one in enumerate(signed.parts) if one.part.audience == f"{SECOND}.localhost")
        answer = scene.country.send(SECOND, scene.country.body(signed, number))
        assert (answer.status_code == 200) == bool(told)
        notices = [notice for notice in issuer.notices._about([DAY], subject, DAY + 3) if notice.purpose == purpose]
        assert len(notices) == told
