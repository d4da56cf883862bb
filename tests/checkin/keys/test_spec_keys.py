"""Every example of docs/spec/keys.md is what the code makes and accepts."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from checkin.clock import RETENTION_DAYS
from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from checkin.keys.officers import Officers
from checkin.protocol.encoding import u32be
from checkin.protocol.key_list import AuthorityList, DestroyedList, IntakeList, IssuerList
from checkin.protocol.note import NoteVerifier, open_note
from checkin.protocol.primitives import Label, OpeningKey, aead_seal, commit, derive

PAGE = (Path(__file__).parents[3] / "docs/spec/keys.md").read_text()
DAY = 20779


def blocks(kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def values(block: str) -> dict[str, bytes]:
    joined = re.sub(r"\n +", "", block)
    return {name: bytes.fromhex(value) for name, value in (line.split() for line in joined.splitlines())}


def test_the_slot_of_the_example_opens_in_a_ring(tmp_path: Path) -> None:
    example = values(blocks("text")[0])
    name = KeyName(Purpose.DAY, DAY)
    ring = KeyRing(tmp_path, example["master"], allow_unfit=True)
    (tmp_path / f"{name}.slot").write_bytes(example["slot"].ljust(4096, b"\0"))
    assert ring.use(name) == example["key"] and ring.commitment(name) == example["commitment"].hex()
    assert derive(example["master"], Label.SUB_SLOT) == example["sub_key"]
    sealed = aead_seal(example["sub_key"], example["nonce"], example["salt"] + example["key"], str(name).encode())
    assert example["slot"] == b"ck1/slot" + example["nonce"] + sealed and sealed == example["sealed"]


def test_the_authoritys_key_of_the_example_opens_with_the_ring_key() -> None:
    example = values(blocks("text")[1])
    assert OpeningKey(example["private"]).public == example["public"]
    assert commit(example["salt"], example["private"]) == example["commitment"].hex()
    assert example["info"] == Label.RING + u32be(DAY) + example["public"] + example["commitment"]
    assert OpeningKey(example["ring"]).open(example["sealed"], example["info"]) == example["salt"] + example["private"]


def test_the_lists_of_the_example_are_accepted_and_spelled_alike() -> None:
    [officers] = map(Officers.read, blocks("officers"))
    assert officers.text() == blocks("officers")[0]
    [note] = blocks("authority-keys")
    opened = officers.open(note)
    listed = AuthorityList.read(opened.text)
    assert listed.text() == opened.text and listed.keys[DAY].public == values(blocks("text")[1])["public"]
    [note] = blocks("authority-keys-destroyed")
    gone = DestroyedList.read(officers.open(note).text)
    assert gone.text() == officers.open(note).text
    assert {day: key.commitment for day, key in gone.keys.items()} == {
        day: key.commitment for day, key in listed.keys.items()
    }
    assert all(key.done >= day + RETENTION_DAYS for day, key in gone.keys.items())


@pytest.mark.parametrize(("kind", "read"), [("issuer-keys", IssuerList.read), ("intake-keys", IntakeList.read)])
def test_the_services_lists_verify_under_the_keys_beside_them(
    kind: str, read: Callable[[str], IssuerList | IntakeList]
) -> None:
    [note] = blocks(kind)
    vkey = re.search(rf"under `([^`]+)`:\n\n```{kind}", PAGE)
    assert vkey is not None
    opened = open_note(note, [NoteVerifier.parse(vkey[1])])
    assert read(opened.text).text() == opened.text
