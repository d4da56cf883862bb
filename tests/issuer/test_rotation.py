"""The identity key's 28 days, and what a crash in the middle of its rotation leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checkin.errors import KeyDestroyed
from checkin.files.tables import SqliteTables
from checkin.keys.key_ring import KeyName, Purpose
from issuer import identities
from issuer.database import ISSUER
from issuer.service import Issuer
from tests.support.issuer_service import Site, damage, enrol, keep_house
from tests.support.service_folder import DAY

OLD, NEW = KeyName(Purpose.IDENTITY, DAY), KeyName(Purpose.IDENTITY, DAY + 28)


class Crash(BaseException):
    """The power goes."""


@pytest.fixture
def opened(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Issuer]:
    """Five people, chunks of two. They register on the key's second day, so that on its last nobody's account ends."""
    monkeypatch.setattr(identities, "CHUNK", 2)
    with site.open() as issuer:
        site.set_day(DAY + 1)
        issuer.guard.confirm()
        for number in range(5):
            enrol(issuer, f"Person {number}", f"+82108765432{number}")
        yield issuer


def _let_pass(site: Site, issuer: Issuer) -> None:
    site.set_day(DAY + 28)
    issuer.guard.confirm()


def _names(issuer: Issuer) -> set[str]:
    subjects = [row[0] for row in issuer.database.read("SELECT subject FROM identities")]
    return {issuer.identities.read(subject).name for subject in subjects}


def _key_days(issuer: Issuer) -> list[int]:
    return [row[0] for row in issuer.database.read("SELECT key_day FROM identities")]


def test_after_28_days_all_names_are_under_a_new_key_and_the_old_one_is_gone(site: Site, opened: Issuer) -> None:
    _let_pass(site, opened)
    keep_house(opened)
    assert opened.identity_keys.live() == [NEW]
    assert set(_key_days(opened)) == {NEW.day}
    assert _names(opened) == {f"Person {number}" for number in range(5)}
    with pytest.raises(KeyDestroyed):
        opened.party.ring.use(OLD)
    assert "key-destroyed-identity-2026-11-20" in opened.book
    assert "key-made-identity-2026-12-18" in opened.book


def test_before_28_days_nothing_rotates(site: Site, opened: Issuer) -> None:
    site.set_day(DAY + 27, hour=23)
    opened.guard.confirm()
    keep_house(opened)
    assert opened.identity_keys.live() == [OLD]


def test_people_are_found_by_phone_on_both_sides_of_a_rotation(site: Site, opened: Issuer) -> None:
    (known,) = opened.identities.subjects_of("+821087654320")
    _let_pass(site, opened)
    keep_house(opened)
    assert opened.identities.subjects_of("+821087654320") == [known]
    assert opened.database.write(lambda commit: opened.identities.of_phone(commit, "+821087654320")) == [known]


@pytest.mark.parametrize("chunks", [0, 1, 2])
def test_a_crash_between_chunks_loses_nobody(
    site: Site, opened: Issuer, monkeypatch: pytest.MonkeyPatch, chunks: int
) -> None:
    """Everybody can be read and found half-way, new people can register, and the next round finishes."""
    _let_pass(site, opened)
    calls = iter(range(100))
    original = identities.Rotation._seal_anew

    def crashing(self: identities.Rotation, *keys: Any) -> int:
        if next(calls) == chunks:
            raise Crash
        return original(self, *keys)

    monkeypatch.setattr(identities.Rotation, "_seal_anew", crashing)
    with pytest.raises(Crash):
        opened.purger.run()
    assert _key_days(opened).count(NEW.day) == 2 * chunks
    assert _names(opened) == {f"Person {number}" for number in range(5)}
    found = [enrol(opened, f"Person {number}", f"+82108765432{number}") for number in range(5)]
    late = enrol(opened, "Late", "+821011112222")
    assert late not in found
    monkeypatch.undo()
    keep_house(opened)
    assert set(_key_days(opened)) == {NEW.day}
    assert _names(opened) == {"Late"} | {f"Person {number}" for number in range(5)}
    assert opened.identity_keys.live() == [NEW]


@pytest.mark.parametrize("step", ["entomb", "destroy", "put"])
def test_a_crash_at_the_end_is_made_good_by_the_next_round(
    site: Site, opened: Issuer, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    _let_pass(site, opened)
    target: Any = opened.book if step == "put" else opened.party.ring
    original = getattr(target, step)

    def crashing(name: Any, *rest: Any) -> Any:
        if str(name) in (str(OLD), "key-destroyed-identity-2026-11-20"):
            raise Crash
        return original(name, *rest)

    monkeypatch.setattr(target, step, crashing)
    with pytest.raises(Crash):
        opened.purger.run()
    monkeypatch.setattr(target, step, original)
    keep_house(opened)
    assert opened.identity_keys.live() == [NEW]
    assert OLD not in opened.party.ring.names(Purpose.IDENTITY)
    assert "key-destroyed-identity-2026-11-20" in opened.book
    assert len(_names(opened)) == 5


def test_a_copy_of_the_database_from_before_opens_nothing_after(site: Site, opened: Issuer, tmp_path: Path) -> None:
    opened.database.tidy()
    copy = tmp_path / "issuer.db"
    copy.write_bytes((site.folder / "data" / "issuer.db").read_bytes())
    _let_pass(site, opened)
    keep_house(opened)
    stolen = SqliteTables(tmp_path, ISSUER)
    rows = stolen.read("SELECT subject, key_day, sealed FROM identities")
    stolen.close()
    assert len(rows) == 5
    for subject, key_day, sealed in rows:
        with pytest.raises(KeyDestroyed):
            opened.identity_keys.open(KeyName(Purpose.IDENTITY, key_day), subject, sealed)


def test_a_row_written_while_the_rotation_ends_is_under_the_new_key(site: Site, opened: Issuer) -> None:
    """A writer asks for the key inside its transaction, and the rotation made the new key before its own."""
    _let_pass(site, opened)
    opened.rotation.ensure(DAY)
    enrol(opened, "Late", "+821011112222")
    opened.rotation.run(DAY, lambda *_: None)
    assert set(_key_days(opened)) == {NEW.day}


def test_a_damaged_row_does_not_keep_the_old_key_alive(
    site: Site, opened: Issuer, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is removed and counted; nothing says whose it was."""
    [(subject,)] = opened.database.read("SELECT max(subject) FROM identities")
    damage(opened, subject)
    _let_pass(site, opened)
    keep_house(opened)
    assert opened.identity_keys.live() == [NEW]
    assert len(_names(opened)) == 4
    said = capsys.readouterr()
    assert "damaged_identities_removed" in said.out + said.err
    assert str(subject) not in said.out + said.err
