"""One officer alone signs nothing and opens nothing; k of n do."""

from __future__ import annotations

import itertools
import stat
from pathlib import Path

import pytest
from shamir_mnemonic import generate_mnemonics

from checkin.errors import NoteMalformed, NoteUntrusted, SettingsInvalid, SharesInvalid
from checkin.keys.officer_folder import appoint, load_share, load_signer
from checkin.keys.officers import Officers, join_shares
from checkin.protocol.note import sign_note
from checkin.protocol.primitives import SealingKey

NAME = "health.example"


def shares(folder: Path) -> list[str]:
    return [load_share(own) for own in sorted(folder.iterdir())]


def test_any_k_officers_join_the_ring_key_and_fewer_do_not(tmp_path: Path) -> None:
    _, key = appoint(tmp_path, NAME, 4, 3)
    every = shares(tmp_path)
    for several in itertools.permutations(every, 3):
        assert join_shares(several).public == key.public
    assert join_shares(every).public == key.public
    for few in [[], *map(list, itertools.combinations(every, 2)), [every[0]] * 3]:
        with pytest.raises(SharesInvalid):
            join_shares(few)


def test_too_few_officers_are_told_how_many_are_needed(tmp_path: Path) -> None:
    """One that comes twice is one."""
    appoint(tmp_path, NAME, 4, 3)
    every = shares(tmp_path)
    for few in (every[:2], [every[0]] * 3):
        with pytest.raises(SharesInvalid, match=f"3 different officers are needed, {len(set(few))} given"):
            join_shares(few)


def test_shares_of_another_kind_of_secret_are_no_ring_key() -> None:
    """SLIP-39 also shares secrets of 16 bytes."""
    [mnemonics] = generate_mnemonics(1, [(2, 3)], bytes(range(16)))
    with pytest.raises(SharesInvalid):
        join_shares(mnemonics[:2])


def test_changed_foreign_or_meaningless_shares_are_refused_without_repeating_a_word_of_them(tmp_path: Path) -> None:
    appoint(tmp_path / "a", NAME, 3, 2)
    appoint(tmp_path / "b", NAME, 3, 2)
    mine, theirs = shares(tmp_path / "a"), shares(tmp_path / "b")
    words = mine[0].split()
    changed = " ".join([*words[:10], "academic" if words[10] != "academic" else "acid", *words[11:]])
    for bad in (theirs[1], changed, "사과 배", "", words[0]):
        with pytest.raises(SharesInvalid) as error:
            join_shares([mine[1], bad])
        assert error.value.detail == SharesInvalid.default


def test_the_joined_key_opens_what_was_sealed_to_the_ring(tmp_path: Path) -> None:
    _, key = appoint(tmp_path, NAME, 2, 2)
    sealed = SealingKey(key.public).seal(b"day key", b"info")
    assert join_shares(shares(tmp_path)).open(sealed, b"info") == b"day key"


def test_k_different_officers_sign_and_the_list_of_officers_is_read_as_written(tmp_path: Path) -> None:
    officers, _ = appoint(tmp_path, NAME, 3, 2)
    one, two, _ = (load_signer(own) for own in sorted(tmp_path.iterdir()))
    assert Officers.read(officers.text()).text() == officers.text()
    assert officers.open(sign_note("text\n", one, two)).names == (f"{NAME}/officer-1", f"{NAME}/officer-2")
    for note in (sign_note("text\n", one), sign_note("text\n", one, one)):
        with pytest.raises(NoteUntrusted):
            officers.open(note)


def test_an_officers_secrets_are_for_that_officer_alone(tmp_path: Path) -> None:
    appoint(tmp_path, NAME, 2, 2)
    modes = {stat.S_IMODE(file.stat().st_mode) for own in tmp_path.iterdir() for file in own.iterdir()}
    assert modes == {0o600} and {stat.S_IMODE(own.stat().st_mode) for own in tmp_path.iterdir()} == {0o700}


def test_officers_are_appointed_once(tmp_path: Path) -> None:
    appoint(tmp_path, NAME, 2, 2)
    with pytest.raises(FileExistsError):
        appoint(tmp_path, NAME, 2, 2)


@pytest.mark.parametrize(("count", "threshold"), [(1, 1), (3, 1), (2, 3), (17, 2), (3, 0)])
def test_one_officer_alone_is_never_enough(tmp_path: Path, count: int, threshold: int) -> None:
    with pytest.raises(NoteMalformed):
        appoint(tmp_path, NAME, count, threshold)


def test_a_list_of_officers_in_which_one_person_counts_twice_is_refused(tmp_path: Path) -> None:
    lines = appoint(tmp_path, NAME, 2, 2)[0].text().splitlines()
    for bad in (
        [*lines, lines[-1]],
        lines[:-1],
        [*lines[:2], "threshold 1", *lines[3:]],
        [*lines[:2], "threshold two", *lines[3:]],
        [lines[0], "authority A B", *lines[2:]],
        [*lines[:3], "officer x+00000000+AAAA"],
    ):
        with pytest.raises(NoteMalformed):
            Officers.read("\n".join(bad) + "\n")


def test_an_officers_folder_that_is_not_whole_signs_nothing(tmp_path: Path) -> None:
    appoint(tmp_path, NAME, 2, 2)
    (tmp_path / "1/officer.txt").write_bytes((tmp_path / "2/officer.txt").read_bytes())
    with pytest.raises(SettingsInvalid, match="not that"):
        load_signer(tmp_path / "1")
    (tmp_path / "2/officer.txt").write_text("nonsense")
    (tmp_path / "2/share.txt").unlink()
    for load in (load_signer, load_share):
        with pytest.raises(SettingsInvalid):
            load(tmp_path / "2")
