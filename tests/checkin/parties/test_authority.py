"""The authority makes, lists and destroys day keys by itself; opening a day takes its officers."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkin.clock import Calendar
from checkin.errors import (
    CheckinError,
    ClockUntrusted,
    DayDestroyed,
    KeyDestroyed,
    KeyExists,
    KeyMissing,
    ListRefused,
    SealBroken,
    SettingsInvalid,
    SharesInvalid,
    SimulationRefused,
)
from checkin.keys.authority_ring import AuthorityRing
from checkin.keys.officer_folder import load_share, load_signer
from checkin.keys.officers import Officers, RingKeys
from checkin.parties.authority import Authority, Logged
from checkin.parties.authority_folder import AuthorityFolder
from checkin.protocol.key_list import AuthorityKey, AuthorityList, DestroyedKey, DestroyedList, merge
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import OpeningKey, SealingKey, SigningKey

NOW = 1795316400.0  # 2026-11-22 12:20 in Seoul
TODAY = 20779
DAY = 86400.0


def make(path: Path, simulated: bool = False) -> AuthorityFolder:
    return AuthorityFolder.init(
        path / "a", "health.example", officers=3, threshold=2, now=NOW, simulated=simulated, allow_unfit=True
    )


def shares(authority: AuthorityFolder, *numbers: int) -> list[str]:
    return [load_share(authority.folder / "officers" / str(number)) for number in numbers]


def opened(authority: AuthorityFolder, day: int, *numbers: int) -> OpeningKey:
    """A day's key, by these officers or the first two."""
    return authority.ring.open_day(day, authority.ring.unlock(shares(authority, *(numbers or (1, 2)))))


@pytest.fixture
def authority(tmp_path: Path) -> AuthorityFolder:
    made = make(tmp_path)
    made.make_keys(NOW)
    return made


def reopened(authority: AuthorityFolder) -> AuthorityFolder:
    return AuthorityFolder.open(authority.folder, allow_unfit=True)


def test_keys_are_made_for_today_and_fourteen_days_without_any_officer(authority: AuthorityFolder) -> None:
    assert authority.ring.days() == list(range(TODAY, TODAY + 15))
    assert reopened(authority).make_keys(NOW) == []
    assert reopened(authority).make_keys(NOW + DAY) == [TODAY + 15]


def test_what_is_sealed_to_a_listed_day_is_opened_by_any_two_officers(authority: AuthorityFolder) -> None:
    listed = authority.list_keys(NOW).keys
    for day in (TODAY, TODAY + 14):
        sealed = SealingKey(listed[day].public).seal(b"inner", b"info")
        for numbers in ((1, 2), (2, 3), (3, 1), (1, 2, 3)):
            key = opened(reopened(authority), day, *numbers)
            assert key.open(sealed, b"info") == b"inner"


def test_one_officer_or_another_authoritys_officers_open_nothing(authority: AuthorityFolder, tmp_path: Path) -> None:
    other = make(tmp_path / "other")
    for few in ([], shares(authority, 1), shares(other, 1, 2), [*shares(authority, 1), *shares(other, 2)]):
        with pytest.raises(SharesInvalid):
            authority.ring.unlock(few)


def test_the_authority_at_rest_cannot_open_a_day(authority: AuthorityFolder) -> None:
    """Neither the private halves nor the ring's key lie anywhere outside the officers' folders."""
    private = opened(authority, TODAY)
    at_rest = [file for file in authority.folder.rglob("*") if file.is_file() and "officers" not in file.parts]
    raw = private._key.private_bytes_raw()
    assert len(at_rest) > 15 and not any(raw in file.read_bytes() for file in at_rest)


def test_a_sealed_key_moved_to_another_day_or_shown_under_another_public_half_does_not_open(
    authority: AuthorityFolder,
) -> None:
    ring = authority.folder / "ring"
    bodies = [(ring / f"authority-{day}.slot").read_bytes() for day in (TODAY, TODAY + 1)]
    (ring / f"authority-{TODAY}.slot").write_bytes(bodies[1])
    fake = OpeningKey(bytes(32)).public
    (ring / f"authority-{TODAY + 1}.slot").write_bytes(bodies[1][:8] + fake + bodies[1][40:])
    for day in (TODAY, TODAY + 1):
        with pytest.raises(SealBroken):
            opened(authority, day)


def test_a_list_counts_with_the_signatures_of_two_officers(authority: AuthorityFolder) -> None:
    key_list = authority.list_keys(NOW)
    note = sign_note(key_list.text(), *(load_signer(authority.folder / "officers" / number) for number in "13"))
    read = AuthorityList.read(authority.officers.open(note).text)
    assert read == key_list and list(read.keys) == list(range(TODAY, TODAY + 15)) and not read.simulated


def test_later_lists_keep_the_keys_of_earlier_ones(authority: AuthorityFolder) -> None:
    first = authority.list_keys(NOW)
    authority.make_keys(NOW + 5 * DAY)
    second = reopened(authority).list_keys(NOW + 5 * DAY)
    assert set(merge(first.keys, second.keys)) == set(range(TODAY + 15, TODAY + 20))
    assert set(first.keys) <= set(second.keys)


def test_a_listed_day_whose_slot_is_lost_gets_no_second_key(authority: AuthorityFolder) -> None:
    """Issuers keep the first key they saw: a second would be one that nobody seals to."""
    first = authority.list_keys(NOW)
    (authority.folder / f"ring/authority-{TODAY + 3}.slot").unlink()
    assert authority.make_keys(NOW) == [] and authority.lost_days() == [TODAY + 3]
    assert authority.list_keys(NOW) == first


def test_a_ring_that_contradicts_what_was_listed_is_noticed(authority: AuthorityFolder) -> None:
    listed = authority.list_keys(NOW)
    keys = {**listed.keys, TODAY: AuthorityKey(OpeningKey(bytes(32)).public, "0" * 64)}
    (authority.folder / "listed.txt").write_text(AuthorityList("health.example", keys).text())
    with pytest.raises(ListRefused):
        authority.list_keys(NOW)


def test_without_keys_there_is_no_list(tmp_path: Path) -> None:
    with pytest.raises(KeyMissing, match="keys make"):
        make(tmp_path).list_keys(NOW)


def test_a_day_is_destroyed_when_its_28th_day_after_begins_and_not_a_second_before(authority: AuthorityFolder) -> None:
    authority.list_keys(NOW)
    due = authority.calendar.due(TODAY)
    commitment = authority.ring.key(TODAY).commitment
    for day in range(1, 28):
        assert authority.destroy_due(NOW + day * DAY) == []
    assert authority.destroy_due(due - 1) == [] and opened(authority, TODAY)
    [record] = authority.destroy_due(due)
    assert (record["date"], record["commitment"]) == ("2026-11-22", commitment)
    assert reopened(authority).ring.tombstone(TODAY) == record and authority.ring.tombstones() == [TODAY]
    assert authority.destroy_due(due) == []
    with pytest.raises(KeyDestroyed):
        opened(reopened(authority), TODAY)
    assert TODAY not in authority.list_keys(due).keys


def test_a_destroyed_day_is_never_made_again_by_a_clock_gone_back(authority: AuthorityFolder) -> None:
    authority.destroy_due(NOW + 40 * DAY, confirm_clock=True)
    assert authority.ring.days() == list(range(TODAY + 13, TODAY + 15))
    assert authority.make_keys(NOW) == [], "neither the destroyed days nor the overdue ones"
    with pytest.raises(DayDestroyed):
        authority.ring.make(TODAY, oldest=0)
    with pytest.raises(DayDestroyed):
        authority.ring.make(TODAY - 1, oldest=TODAY)
    assert set(authority.list_keys(NOW).keys) == {TODAY + 13, TODAY + 14}


def test_after_a_jump_of_the_clock_nothing_is_destroyed_until_a_person_confirms_it(authority: AuthorityFolder) -> None:
    for jump in (2 * DAY, 28 * DAY, 400 * DAY):
        with pytest.raises(ClockUntrusted, match="--confirm-clock"):
            authority.destroy_due(NOW + jump)
    assert len(authority.ring.days()) == 15
    assert len(reopened(authority).destroy_due(NOW + 28 * DAY, confirm_clock=True)) == 1


def test_a_run_cut_short_after_the_tombstone_is_finished_by_the_next(
    authority: AuthorityFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut(*_: object, **__: object) -> int:
        raise OSError("power")

    with monkeypatch.context() as patch:
        patch.setattr("os.pwrite", cut)
        with pytest.raises(OSError, match="power"):
            authority.ring.destroy(TODAY, {"date": "2026-11-22"})
    authority.ring._slots.entomb(f"authority-{TODAY}", {"date": "2026-11-22"})
    assert TODAY in authority.ring.days()
    assert reopened(authority).destroy_due(NOW) == [{"date": "2026-11-22"}]
    assert TODAY not in authority.ring.days()


def test_a_day_gets_one_key(authority: AuthorityFolder) -> None:
    with pytest.raises(KeyExists):
        authority.ring.make(TODAY, oldest=0)
    with pytest.raises(KeyMissing):
        opened(authority, TODAY + 99)


def test_a_folder_is_made_once_and_opened_only_when_it_is_whole(tmp_path: Path) -> None:
    authority = make(tmp_path)
    with pytest.raises(SettingsInvalid, match="not empty"):
        make(tmp_path)
    for name, content in (("tick.txt", "soon\n"), ("authority.txt", "nonsense\n"), ("officers.txt", None)):
        file = authority.folder / name
        if content is None:
            file.unlink()
        else:
            file.write_text(content)
        with pytest.raises(SettingsInvalid):
            reopened(authority).make_keys(NOW)


def test_impossible_names_and_numbers_make_no_authority(tmp_path: Path) -> None:
    for number, (name, officers) in enumerate([("Health Office", 3), ("health.example", 1)]):
        with pytest.raises(SettingsInvalid):
            AuthorityFolder.init(
                tmp_path / str(number), name, officers=officers, threshold=2, now=NOW, allow_unfit=True
            )


def test_a_folder_is_real_or_simulated_for_good_and_its_lists_say_so(tmp_path: Path) -> None:
    authority = make(tmp_path, simulated=True)
    authority.make_keys(NOW)
    assert "\nclock simulated\n" in authority.list_keys(NOW).text()
    with pytest.raises(SimulationRefused):
        reopened(authority)
    real = make(tmp_path / "real")
    with pytest.raises(SimulationRefused):
        AuthorityFolder.open(real.folder, simulated=True, allow_unfit=True)


def test_a_ring_opened_with_another_public_key_refuses_the_shares(authority: AuthorityFolder) -> None:
    ring = AuthorityRing(authority.folder / "ring", OpeningKey(bytes(32)).public, allow_unfit=True)
    with pytest.raises(CheckinError) as error:
        ring.unlock(shares(authority, 1, 2))
    assert isinstance(error.value, SharesInvalid)


def test_what_was_destroyed_is_left_for_the_officers_until_it_is_in_the_log(authority: AuthorityFolder) -> None:
    """Nothing before a key is gone; a signature that is there stays; what is logged is not asked for again."""
    assert authority.state_destroyed() is None and not (authority.folder / "destroyed.txt").exists()
    commitments = {day: authority.ring.key(day).commitment for day in (TODAY, TODAY + 1)}
    authority.destroy_due(authority.calendar.due(TODAY), confirm_clock=True)
    stated = authority.state_destroyed()
    assert stated and stated.keys == {TODAY: DestroyedKey(commitments[TODAY], TODAY + 28)}
    path = authority.folder / "destroyed.txt"
    note = sign_note(path.read_text(), load_signer(authority.folder / "officers" / "1"))
    path.write_text(note)
    assert reopened(authority).state_destroyed() == stated and path.read_text() == note
    authority.destroy_due(authority.calendar.due(TODAY + 1))
    assert (two := authority.state_destroyed()) and list(two.keys) == [TODAY, TODAY + 1]
    assert path.read_text() == two.text(), "the text is another one, so the signature is none any more"
    authority.keep_logged(17, note, "a proof")
    assert reopened(authority).logged().stated() == {TODAY: 17}
    assert (rest := authority.state_destroyed()) and list(rest.keys) == [TODAY + 1]
    assert authority.logged() == {17: (note, "a proof")}


def test_of_days_before_the_first_list_in_the_log_no_end_is_stated(authority: AuthorityFolder) -> None:
    """Nobody there knows their keys; as with an authority that has worked before there was a log."""
    authority.destroy_due(authority.calendar.due(TODAY + 1), confirm_clock=True)
    listed = authority.list_keys(authority.calendar.due(TODAY + 1))
    note = sign_note(listed.text(), load_signer(authority.folder / "officers" / "1"))
    assert (stated := authority.state_destroyed()) and list(stated.keys) == [TODAY, TODAY + 1]
    authority.keep_logged(3, note, "a proof")
    assert authority.logged().first_day() == TODAY + 2 and authority.state_destroyed() is None
    authority.destroy_due(authority.calendar.due(TODAY + 2))
    assert (stated := authority.state_destroyed()) and list(stated.keys) == [TODAY + 2]


def test_a_day_whose_slot_is_not_gone_yet_is_not_stated(authority: AuthorityFolder) -> None:
    """As after a crash between the tombstone and the end."""
    authority.ring._slots.entomb(f"authority-{TODAY}", {"date": "2026-11-22"})
    assert authority.state_destroyed() is None


def test_a_statement_names_at_most_64_days(authority: AuthorityFolder) -> None:
    """The oldest first; the rest comes with the next one."""
    for day in range(TODAY + 15, TODAY + 75):
        authority.ring.make(day, oldest=0)
    authority.destroy_due(NOW + 200 * DAY, confirm_clock=True)
    stated = authority.state_destroyed()
    assert stated and list(stated.keys) == list(range(TODAY, TODAY + 64))
    assert DestroyedList.read(stated.text()) == stated


def test_only_a_destroyed_day_has_the_mark_of_its_overwriting(authority: AuthorityFolder) -> None:
    authority.destroy_due(authority.calendar.due(TODAY), confirm_clock=True)
    assert authority.ring.overwritten(TODAY) and not authority.ring.overwritten(TODAY + 1)


def test_a_slot_that_is_exchanged_while_it_is_compared_vouches_for_no_listed_key(
    authority: AuthorityFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What counts is the key that the shares opened, not what the slot says afterwards."""
    planted, slot = OpeningKey(bytes(32)).public, authority.folder / f"ring/authority-{TODAY}.slot"
    open_day = AuthorityRing.open_day

    def exchanged(ring: AuthorityRing, day: int, key: OpeningKey) -> OpeningKey:
        opened, body = open_day(ring, day, key), slot.read_bytes()
        slot.write_bytes(body[:8] + planted + body[40:])
        return opened

    monkeypatch.setattr(AuthorityRing, "open_day", exchanged)
    listed = {TODAY: AuthorityKey(planted, authority.ring.key(TODAY).commitment)}
    with pytest.raises(ListRefused, match="2026-11-22"):
        authority.check_ring(listed, shares(authority, 1, 2))


def test_the_authority_is_named_as_its_officers_are(authority: AuthorityFolder) -> None:
    """They sign and everybody pins `officers.txt`: another name in `authority.txt` gets into no list or order."""
    file = authority.folder / "authority.txt"
    file.write_text(file.read_text().replace("authority health.example", "authority other.example"))
    assert reopened(authority).list_keys(NOW).owner == reopened(authority).order_keys().authority == "health.example"


# --- without a folder ---------------------------------------------------------------------------------------------


def decided() -> Authority:
    officers = Officers("health.example", 2, ())
    keys = RingKeys("health.example", OpeningKey(bytes(31) + b"\1").public, "")
    return Authority(officers, Calendar("Asia/Seoul"), keys, simulated=False)


def key_of(day: int) -> AuthorityKey:
    return AuthorityKey(OpeningKey(day.to_bytes(32, "big")).public, f"{day:064x}")


def test_a_keys_whole_life_is_decided_without_a_folder() -> None:
    """Missing, listed, due, destroyed, stated: each from what the one before left."""
    authority, due = decided(), NOW + 28 * DAY
    assert authority.missing(NOW, TODAY, {TODAY + 1}, ahead=2) == [TODAY, TODAY + 2]
    listed = authority.key_list({TODAY: key_of(TODAY)}, {TODAY + 1: key_of(TODAY + 1)}, TODAY)
    assert list(listed.keys) == [TODAY, TODAY + 1]
    last = authority.look(due, TODAY + 27, confirmed=False)
    assert authority.oldest(due - 1, last) == authority.oldest(NOW, last) == TODAY + 1, "also by a clock gone back"
    ended = {TODAY: authority.ended(TODAY, authority.tombstone(TODAY, key_of(TODAY), due))}
    assert ended == {TODAY: DestroyedKey(key_of(TODAY).commitment, TODAY + 28)}
    signer = NoteSigner("health.example/officer-1", SigningKey(bytes(32)))
    logged = Logged({3: (sign_note(listed.text(), signer), "a proof")})
    stated = authority.destroyed_list(ended, logged)
    assert stated and stated.keys == ended
    logged[4] = (sign_note(stated.text(), signer), "a proof")
    assert logged.stated() == {TODAY: 4} and authority.destroyed_list(ended, logged) is None


def test_a_strange_key_and_one_that_nobody_opens_are_named() -> None:
    keys = {day: key_of(day) for day in range(TODAY, TODAY + 3)}
    decided().require_own(keys, keys)
    with pytest.raises(ListRefused, match="do not sign it: 2026-11-22, 2026-11-24"):
        decided().require_own(keys, {TODAY: key_of(1), TODAY + 1: key_of(TODAY + 1)})
