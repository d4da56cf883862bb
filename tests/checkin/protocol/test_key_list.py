"""Lists of keys: one spelling, no key that someone could cheat with, and the first key for a day is final."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkin.errors import ListRefused, NoteMalformed
from checkin.protocol.encoding import b64_encode
from checkin.protocol.key_list import (
    AuthorityKey,
    AuthorityList,
    DestroyedKey,
    DestroyedList,
    IntakeKey,
    IntakeList,
    IssuerList,
    ListedKey,
    issuer_kid,
    merge,
)
from checkin.protocol.primitives import OpeningKey, SigningKey

GONE = "checkin/authority-keys-destroyed/v1"
DAYS = st.integers(0, 60000)
SEEDS = st.binary(min_size=32, max_size=32)
PUBLIC = SigningKey(bytes(32)).public
SEALING = OpeningKey(bytes(32)).public


def issuer_key(issuer: int, seed: bytes) -> ListedKey:
    public = SigningKey(seed).public
    return ListedKey(issuer_kid(issuer, public), public)


@given(st.integers(0, 2**32 - 1), st.dictionaries(DAYS, SEEDS, min_size=1, max_size=5), st.booleans())
def test_an_issuers_list_is_read_as_it_was_written(issuer: int, seeds: dict[int, bytes], simulated: bool) -> None:
    made = IssuerList(issuer, {day: issuer_key(issuer, seed) for day, seed in seeds.items()}, simulated)
    assert IssuerList.read(made.text()) == made and IssuerList.read(made.text()).text() == made.text()


@given(st.dictionaries(DAYS, SEEDS, min_size=1, max_size=5), st.booleans())
def test_lists_of_keys_to_seal_to_are_read_as_they_were_written(seeds: dict[int, bytes], simulated: bool) -> None:
    intake = IntakeList("venue.example", {d: IntakeKey(OpeningKey(s).public) for d, s in seeds.items()}, simulated)
    keys = {day: AuthorityKey(OpeningKey(seed).public, seed.hex()) for day, seed in seeds.items()}
    authority = AuthorityList("health.example", keys, simulated)
    assert IntakeList.read(intake.text()) == intake
    assert AuthorityList.read(authority.text()) == authority


def test_a_kid_is_the_start_of_a_hash_over_issuer_and_key() -> None:
    assert issuer_kid(7, PUBLIC) == hashlib.sha256(b"ck1/kid\0\0\0\x07" + PUBLIC).digest()[:4]


GOOD = IssuerList(7, {20779: issuer_key(7, bytes(32)), 20780: issuer_key(7, bytes([1]) * 32)}).text()
LINES = GOOD.splitlines()


@pytest.mark.parametrize(
    "lines",
    [
        [*LINES, LINES[-1]],
        [*LINES[:2], LINES[3], LINES[2]],
        [*LINES[:2], LINES[2] + " x"],
        [*LINES[:2], LINES[2].rsplit(" ", 1)[0]],
        [*LINES[:2], LINES[2].replace("2026-11-22", "20261122")],
        [*LINES[:2], LINES[2].replace("2026-11-22", "2026-11-31")],
        [*LINES[:2], LINES[2].replace("2026-11-22", "1969-12-31")],
        [LINES[0], "issuer 8", *LINES[2:]],
        [LINES[0], "issuer 07", *LINES[2:]],
        [LINES[0], "issuer 4294967296", *LINES[2:]],
        [*LINES[:2], "clock real", *LINES[2:]],
        LINES[:2],
        ["checkin/intake-keys/v1", *LINES[1:]],
    ],
    ids=[
        "a day twice",
        "days out of order",
        "one word too many",
        "one word too few",
        "another spelling of a date",
        "a date that does not exist",
        "before 1970",
        "kids of another issuer",
        "another spelling of a number",
        "a number too large",
        "an unknown clock",
        "no keys",
        "another kind",
    ],
)
def test_a_list_has_one_spelling(lines: list[str]) -> None:
    IssuerList.read(GOOD)
    with pytest.raises(NoteMalformed):
        IssuerList.read("\n".join(lines) + "\n")


def edwards(y: int) -> str:
    return b64_encode(y.to_bytes(32, "little"))


@pytest.mark.parametrize("y", [0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18, 2, 2**255 + 1])
def test_an_issuer_key_that_libraries_disagree_on_is_refused(y: int) -> None:
    """Small order, not canonical, or not on the curve: one scanner would admit what another refuses."""
    public = y.to_bytes(32, "little")
    kid = issuer_kid(7, public).hex()
    with pytest.raises(NoteMalformed, match="Ed25519"):
        IssuerList.read(f"checkin/issuer-keys/v1\nissuer 7\nkey 2026-11-22 {kid} {edwards(y)}\n")


@pytest.mark.parametrize("u", [0, 1, 2**255 - 20, 2**255 - 19, 2**255 - 18, 2**255 + 9, 2**256 - 1])
def test_a_key_that_anyone_can_open_or_that_has_two_spellings_is_refused(u: int) -> None:
    for text, read in _sealing_lists(edwards(u)):
        with pytest.raises(NoteMalformed, match="X25519"):
            read(text)


def test_a_key_of_another_size_is_refused() -> None:
    for text, read in _sealing_lists(b64_encode(bytes(31))):
        with pytest.raises(NoteMalformed, match="X25519"):
            read(text)


def _sealing_lists(key: str) -> list[tuple[str, Callable[[str], object]]]:
    return [
        (f"checkin/intake-keys/v1\nregistry venue.example\nkey 2026-11-22 {key}\n", IntakeList.read),
        (f"checkin/authority-keys/v1\nauthority h.example\nkey 2026-11-22 {key} {'0' * 64}\n", AuthorityList.read),
    ]


@pytest.mark.parametrize("commitment", ["0" * 63, "A" * 64, "g" * 64])
def test_a_commitment_is_64_lower_case_digits(commitment: str) -> None:
    line = f"key 2026-11-22 {b64_encode(SEALING)} {commitment}"
    with pytest.raises(NoteMalformed, match="commitment"):
        AuthorityList.read(f"checkin/authority-keys/v1\nauthority h.example\n{line}\n")
    with pytest.raises(NoteMalformed, match="commitment"):
        DestroyedList.read(f"{GONE}\nauthority h.example\nkey 2026-11-22 {commitment} 2026-12-20\n")


@pytest.mark.parametrize("line", ["", " soon", " 2026-12-20 2026-12-21", " 20261220"])
def test_a_destroyed_key_has_its_day_its_commitment_and_the_day_of_its_end(line: str) -> None:
    with pytest.raises(NoteMalformed):
        DestroyedList.read(f"{GONE}\nauthority h.example\nkey 2026-11-22 {'0' * 64}{line}\n")
    stated = DestroyedList("h.example", {20779: DestroyedKey("0" * 64, 20807)}, simulated=True)
    assert stated.text() == f"{GONE}\nauthority h.example\nclock simulated\nkey 2026-11-22 {'0' * 64} 2026-12-20\n"
    assert DestroyedList.read(stated.text()) == stated


def test_an_owner_has_a_name_like_an_address() -> None:
    with pytest.raises(NoteMalformed):
        IntakeList.read(f"checkin/intake-keys/v1\nregistry https://x\nkey 2026-11-22 {b64_encode(SEALING)}\n")


def test_the_first_key_for_a_day_is_final() -> None:
    first, second = IntakeKey(SEALING), IntakeKey(OpeningKey(bytes([1]) * 32).public)
    assert merge({}, {1: first}) == {1: first}
    assert merge({1: first}, {1: first, 2: second}) == {2: second}
    assert merge({1: first}, {3: second}) == {3: second}, "a list need not repeat what is known"
    with pytest.raises(ListRefused, match="1970-01-02"):
        merge({1: first}, {1: second, 2: second})
    known = {1: AuthorityKey(SEALING, "0" * 64)}
    with pytest.raises(ListRefused):
        merge(known, {1: AuthorityKey(SEALING, "1" * 64)})


def test_two_issuer_keys_with_one_kid_are_refused_within_a_list_and_across_lists() -> None:
    """A credential names its key by the kid and nothing else."""
    one, other = ListedKey(b"same", PUBLIC), ListedKey(b"same", SigningKey(bytes([1]) * 32).public)
    assert merge({1: one}, {2: one}) == {2: one}, "one key may serve several days"
    with pytest.raises(ListRefused, match="kid"):
        merge({1: one}, {2: other})
