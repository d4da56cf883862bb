"""All officers of an authority are exchanged, with the ring that their shares join to; its day keys stay."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from checkin.errors import ListRefused, NoteMalformed, NoteUntrusted, SealBroken, SettingsInvalid, SharesInvalid
from checkin.keys.officer_folder import load_ring_keys, load_share, load_signer, new_days, remember
from checkin.keys.officers import list_signer
from checkin.parties import renewal
from checkin.parties.authority_folder import CHECKED_FILE, DESTROYED_FILE, AuthorityFolder
from checkin.parties.renewal import Renewed, exchange_officers
from checkin.protocol.key_list import AuthorityKey, AuthorityList
from checkin.protocol.note import NoteSigner, sign_note
from checkin.protocol.primitives import OpeningKey, SealingKey, SigningKey

NOW = 1795316400.0  # 2026-11-22 12:20 in Seoul
TODAY = 20779


@pytest.fixture
def authority(tmp_path: Path) -> AuthorityFolder:
    made = AuthorityFolder.init(tmp_path / "a", "health.example", officers=3, threshold=2, now=NOW, allow_unfit=True)
    made.make_keys(NOW, ahead=2)
    return made


def officers(authority: AuthorityFolder, *numbers: int) -> list[Path]:
    return [authority.folder / "officers" / str(number) for number in numbers]


def renewed(authority: AuthorityFolder, *numbers: int, count: int = 3, threshold: int = 2) -> Renewed:
    """By these officers, or the first two."""
    opened = AuthorityFolder.open(authority.folder, allow_unfit=True, taking_over=True)
    return exchange_officers(opened, officers(authority, *(numbers or (1, 2))), count, threshold)


def reopened(authority: AuthorityFolder) -> AuthorityFolder:
    return AuthorityFolder.open(authority.folder, allow_unfit=True)


def opens(authority: AuthorityFolder, *numbers: int) -> bool:
    """Whether the shares of these officers open what was sealed to each listed day."""
    ring, listed = authority.ring, authority.list_keys(NOW).keys
    for day, key in listed.items():
        sealed = SealingKey(key.public).seal(b"inner", b"info")
        try:
            opened = ring.open_day(day, ring.unlock(map(load_share, officers(authority, *numbers))))
        except (SharesInvalid, SealBroken):
            return False
        assert opened.open(sealed, b"info") == b"inner"
    return True


def test_new_officers_open_every_day_that_was_listed_and_former_ones_none(authority: AuthorityFolder) -> None:
    listed = authority.list_keys(NOW)
    done = renewed(authority, 3, 1)
    after = reopened(authority)
    assert [path.name for path in done.folders] == ["4", "5", "6"] and done.unopened == ()
    assert after.officers.text() == done.officers.text() == (after.folder / "officers.txt").read_text()
    assert [key.name for key in after.officers.verifiers] == [f"health.example/officer-{n}" for n in (4, 5, 6)]
    assert after.list_keys(NOW) == listed
    assert opens(after, 4, 5) and opens(after, 6, 4) and not opens(after, 1, 2) and not opens(after, 1, 4)
    assert load_ring_keys(done.folders[0]) == after.ring_keys != authority.ring_keys
    assert sorted(path.name for path in after.folder.iterdir() if "renewal" in path.name) == []


def test_keys_made_afterwards_are_the_new_ones_and_from_before_nobody_makes_any(authority: AuthorityFolder) -> None:
    renewed(authority)
    with pytest.raises(SettingsInvalid, match="taken over"):
        authority.make_keys(NOW, ahead=3)  # opened before
    assert reopened(authority).make_keys(NOW, ahead=3) == [TODAY + 3]
    assert opens(reopened(authority), 5, 6)


def test_the_numbers_of_officers_can_change_and_it_can_be_done_again(authority: AuthorityFolder) -> None:
    assert len(renewed(authority, count=5, threshold=3).folders) == 5
    with pytest.raises(SharesInvalid, match="3 different"):
        renewed(authority, 4, 5)
    assert [path.name for path in renewed(authority, 4, 5, 8).folders] == ["9", "10", "11"]
    assert opens(reopened(authority), 9, 11) and not opens(reopened(authority), 4, 5, 6)


def test_fewer_officers_than_it_takes_or_anothers_exchange_nothing(authority: AuthorityFolder, tmp_path: Path) -> None:
    other = AuthorityFolder.init(tmp_path / "b", "other.example", officers=2, threshold=2, now=NOW, allow_unfit=True)
    for folders in (officers(authority, 1), officers(other, 1, 2)):
        with pytest.raises(SharesInvalid):
            exchange_officers(reopened(authority), folders, 3, 2)
    with pytest.raises(SettingsInvalid, match="cannot be"):
        renewed(authority, count=3, threshold=1)
    assert opens(reopened(authority), 1, 2)


def test_what_former_officers_signed_stays_good_where_it_stands(authority: AuthorityFolder) -> None:
    text = authority.list_keys(NOW).text()
    signers = {number: load_signer(path) for number, path in enumerate(officers(authority, 1, 2, 3), start=1)}
    renewed(authority)
    signers |= {number: load_signer(path) for number, path in enumerate(officers(authority, 4, 5), start=4)}
    renewed(authority, 4, 5)
    after = reopened(authority)
    for together in ((1, 3), (4, 5)):
        note = sign_note(text, *(signers[number] for number in together))
        assert after.open_note(note).text == text
        with pytest.raises(NoteUntrusted):
            after.officers.open(note)
    with pytest.raises(NoteUntrusted):
        after.open_note(sign_note(text, signers[1], signers[4]))  # one of each time


def test_what_former_officers_began_to_sign_is_written_anew(authority: AuthorityFolder) -> None:
    """With one line of a former officer in it, the log takes it from nobody."""
    authority.list_keys(NOW)
    authority.destroy_due(authority.calendar.due(TODAY), confirm_clock=True)
    authority.keep_logged(0, sign_note(authority.list_keys(NOW).text(), load_signer(officers(authority, 1)[0])), "")
    (authority.folder / CHECKED_FILE).write_text("signed")
    authority.state_destroyed()
    renewed(authority)
    assert not (authority.folder / DESTROYED_FILE).exists() and not (authority.folder / CHECKED_FILE).exists()


def test_new_officers_know_which_keys_the_present_ones_signed(authority: AuthorityFolder) -> None:
    listed = authority.list_keys(NOW)
    for path in officers(authority, 1, 2):
        remember(path, listed)
    for path in renewed(authority, 1, 2).folders:
        assert new_days(path, listed) == set()
    planted = {**listed.keys, TODAY: AuthorityKey(OpeningKey(bytes(32)).public, "0" * 64)}
    with pytest.raises(ListRefused):
        new_days(officers(authority, 4)[0], AuthorityList(listed.owner, planted))


def test_what_one_officer_alone_remembers_is_new_to_the_new_ones(authority: AuthorityFolder) -> None:
    """Else one who is dishonest would have them refuse the ring's own key of a day that is not listed yet."""
    key = AuthorityKey(OpeningKey(bytes(32)).public, "0" * 64)
    remember(officers(authority, 1)[0], AuthorityList("health.example", {TODAY + 10: key}))
    for path in renewed(authority).folders:
        assert new_days(path, authority.list_keys(NOW)) == {TODAY, TODAY + 1, TODAY + 2}
        assert new_days(path, AuthorityList("health.example", {TODAY + 10: key})) == {TODAY + 10}


@pytest.mark.parametrize("what", ["threshold", "officer"])
def test_an_altered_list_of_officers_is_not_renewed(authority: AuthorityFolder, what: str) -> None:
    """Else who writes into the folder would decide how many open, or whom everybody keeps as a former officer."""
    path = authority.folder / "officers.txt"
    text = path.read_text()
    if what == "officer":
        stranger = NoteSigner("health.example/officer-1", SigningKey(bytes(32))).verifier.vkey
        path.write_text(text.replace(authority.officers.verifiers[0].vkey, stranger))
    else:
        path.write_text(text.replace("threshold 2", "threshold 3"))
    with pytest.raises(SettingsInvalid, match="compare it with what is pinned"):
        renewed(authority)
    path.write_text(text)
    assert opens(reopened(authority), 1, 2)


def test_officers_whose_names_init_did_not_make_are_refused(authority: AuthorityFolder) -> None:
    alice = NoteSigner("health.example/alice", SigningKey(bytes(32))).verifier.vkey
    path = authority.folder / "officers.txt"
    path.write_text(path.read_text().replace(authority.officers.verifiers[2].vkey, alice))
    with pytest.raises(SettingsInvalid, match="no number"):
        renewed(authority)
    assert not (authority.folder / "renewal.draft").exists()


def test_folders_that_were_carried_away_or_stand_in_the_way_stop_nothing_half_way(
    authority: AuthorityFolder, tmp_path: Path
) -> None:
    (authority.folder / "officers").rename(tmp_path / "away")
    slots = {path: path.read_bytes() for path in authority.folder.glob("ring/*.slot")}
    (authority.folder / "officers/4").mkdir(parents=True)
    (authority.folder / "officers/4/notes.txt").touch()
    present = [tmp_path / "away/1", tmp_path / "away/2"]
    with pytest.raises(SettingsInvalid, match="officers/4 is there already"):
        exchange_officers(reopened(authority), present, 3, 2)
    assert all(path.read_bytes() == before for path, before in slots.items())
    shutil.rmtree(authority.folder / "officers")
    waiting = AuthorityFolder.open(authority.folder, allow_unfit=True, taking_over=True)
    assert [path.name for path in exchange_officers(waiting, present, 3, 2).folders] == ["4", "5", "6"]
    assert opens(reopened(authority), 4, 5)


def test_officers_who_signed_different_keys_of_a_day_do_not_go_on_silently(authority: AuthorityFolder) -> None:
    listed = authority.list_keys(NOW)
    planted = {**listed.keys, TODAY: AuthorityKey(OpeningKey(bytes(32)).public, "0" * 64)}
    remember(officers(authority, 1)[0], listed)
    remember(officers(authority, 2)[0], AuthorityList(listed.owner, planted))
    with pytest.raises(ListRefused):
        renewed(authority)
    assert opens(reopened(authority), 1, 2)


def test_a_slot_that_opens_under_neither_ring_is_named_and_holds_up_nobody(authority: AuthorityFolder) -> None:
    slot = authority.folder / f"ring/authority-{TODAY + 1}.slot"
    content = bytearray(slot.read_bytes())
    content[100] ^= 1
    slot.write_bytes(content)
    assert renewed(authority).unopened == (TODAY + 1,)
    assert reopened(authority).officers.verifiers[0].name.endswith("-4")


def test_a_folder_that_others_put_there_is_not_taken_for_one_that_was_begun(
    authority: AuthorityFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else who writes into the folder, with no officer, would have every day sealed to a ring of his own."""
    copy = tmp_path / "copy"
    shutil.copytree(authority.folder, copy)
    with monkeypatch.context() as cut:
        cut.setattr(renewal, "_begun", lambda *_: pytest.fail("the machine stops here"))
        with pytest.raises(pytest.fail.Exception):
            exchange_officers(AuthorityFolder.open(copy, allow_unfit=True), officers(authority, 1, 2), 3, 2)
    planted = authority.folder / "renewal"
    shutil.copytree(copy / "renewal", planted)
    for share in (planted / "officers").glob("*/share.txt"):
        share.unlink()
    stranger = AuthorityFolder.init(
        tmp_path / "b", "health.example", officers=3, threshold=2, now=NOW, allow_unfit=True
    )
    for mine, theirs in zip("456", officers(stranger, 1, 2, 3), strict=True):
        shutil.copy(theirs / "share.txt", planted / "officers" / mine)
    with pytest.raises(SharesInvalid):
        renewed(authority)
    for name in ("officers.txt", "authority.txt"):
        (planted / name).write_text(sign_note((stranger.folder / name).read_text(), stranger_signer(stranger)))
    with pytest.raises(NoteUntrusted):
        renewed(authority)
    for name in ("officers.txt", "authority.txt"):
        shutil.copy(authority.folder / name, planted / name)
    with pytest.raises(NoteMalformed):  # as if all was done but to remove it
        renewed(authority)
    shutil.rmtree(planted)
    planted.mkdir()
    with pytest.raises(SettingsInvalid, match="find out whose it is"):
        renewed(authority)
    planted.rmdir()
    assert opens(reopened(authority), 1, 2)


def stranger_signer(stranger: AuthorityFolder) -> NoteSigner:
    """Of its lists."""
    return list_signer("health.example", stranger.ring.unlock(map(load_share, officers(stranger, 1, 2))))


def test_of_two_at_once_the_second_exchanges_nothing(authority: AuthorityFolder) -> None:
    """It joined the former ring, under which no slot opens by then."""
    second = reopened(authority)
    renewed(authority)
    with pytest.raises(SettingsInvalid, match="taken over"):
        exchange_officers(second, officers(authority, 1, 2), 3, 2)
    assert opens(reopened(authority), 4, 5)


def test_a_due_key_goes_while_others_are_taking_over(
    authority: AuthorityFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as cut:
        cut.setattr(renewal, "_begun", lambda *_: pytest.fail("the machine stops here"))
        with pytest.raises(pytest.fail.Exception):
            renewed(authority)
    waiting = AuthorityFolder.open(authority.folder, allow_unfit=True, taking_over=True)
    assert len(waiting.destroy_due(authority.calendar.due(TODAY), confirm_clock=True)) == 1
    assert renewed(authority).unopened == () and reopened(authority).ring.days() == [TODAY + 1, TODAY + 2]


class PowerCut(BaseException):
    """The machine stops at this call."""


def test_after_a_crash_at_any_step_it_is_repeated_and_ends_alike(
    authority: AuthorityFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call that puts something on the disk is the last one once; no day is lost, and nobody starts half way."""
    pristine = tmp_path / "pristine"
    authority.list_keys(NOW)
    (authority.folder / CHECKED_FILE).write_text("signed")
    shutil.copytree(authority.folder, pristine)
    left = 0

    def counted(call: Callable[..., object]) -> Callable[..., object]:
        def step(*args: object, **named: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                raise PowerCut
            return call(*args, **named)

        return step

    monkeypatch.setattr(os, "fsync", counted(lambda _: None))  # nobody cuts this machine's power
    monkeypatch.setattr(os, "pwrite", counted(os.pwrite))
    monkeypatch.setattr(os, "unlink", counted(os.unlink))
    monkeypatch.setattr(Path, "rename", counted(Path.rename))
    monkeypatch.setattr(Path, "replace", counted(Path.replace))
    cuts, begun = 0, 0
    while True:
        shutil.rmtree(authority.folder)
        shutil.copytree(pristine, authority.folder)
        left = cuts + 1
        try:
            renewed(authority)
            break
        except PowerCut:
            cuts += 1
        left = 0
        if not (authority.folder / "renewal").exists() and (authority.folder / "officers/4").exists():
            assert opens(reopened(authority), 4, 5)  # all was done
            continue
        if (authority.folder / "renewal").exists():
            begun += 1
            with pytest.raises(SettingsInvalid, match="renew"):
                reopened(authority)
        assert renewed(authority).unopened == ()
        assert opens(reopened(authority), 4, 5) and not opens(reopened(authority), 1, 2), cuts
    assert cuts > 60 and begun > 10
