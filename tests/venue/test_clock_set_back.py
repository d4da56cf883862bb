"""A clock that is set back revives no day, also where the purge has not come to it yet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol import presentation
from checkin.protocol.credential import Mode
from checkin.protocol.primitives import SigningKey, random_bytes
from issuer.contact import Contact
from tests.support.deployment_in_process import Whole
from tests.support.service_folder import CALENDAR, DAY, NOON


@pytest.fixture
def whole() -> Iterator[Whole]:
    """With keys, at noon."""
    whole = Whole()
    whole.tend(NOON)
    assert whole.keep_house() == []
    yield whole
    whole.close()


def test_a_code_of_a_day_that_is_due_is_refused_after_the_clock_went_back(whole: Whole) -> None:
    door, holder = whole.enrol("Cafe"), SigningKey(random_bytes(32))
    token = whole.issuer.accounts.register(Contact("Kim", "+821012345678")).token
    subject = whole.issuer.identities.find(token)
    [issued] = whole.issuer.batches.issue(subject, DAY, Mode.SCREEN, [holder.public])
    shown = presentation.to_text(presentation.present(issued.credential, holder, int(NOON), None))
    whole.clock.set(CALENDAR.rfc3339(CALENDAR.due(DAY)))
    whole.registry.guard.confirm()
    whole.clock.set(CALENDAR.rfc3339(NOON))
    assert KeyName(Purpose.DAY, DAY) in whole.registry.party.ring.names(), "its key is there still"
    assert whole.check_in(door, shown, bytes(16)) == "day_destroyed"


def test_a_queued_visit_is_not_refused_for_good_while_the_clock_is_in_doubt(whole: Whole) -> None:
    """The scanner keeps it. Control: once a person believes that clock."""
    door = whole.enrol("Cafe")
    whole.clock.set(CALENDAR.rfc3339(NOON + 30 * 86_400), 1.0)
    whole.registry.guard.tick()
    assert whole.registry.guard.doubt
    assert whole.upload(door, ["AAAA"]) == []
    whole.registry.guard.confirm()
    assert whole.upload(door, ["AAAA"]) != []
