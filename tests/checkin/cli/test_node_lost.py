"""Officers state that a node of a key ring is lost: together, in turn, and only what they were shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkin.errors import NoteMalformed, RequestInvalid
from checkin.keys.officers import Officers
from checkin.protocol.note import NoteSigner, split_note
from checkin.protocol.primitives import SigningKey
from checkin.protocol.ring_messages import NODE_LOST
from tests.checkin.cli.test_authority_commands import Place, run

NODE = NoteSigner("c.ring.registry.example", SigningKey(b"c" * 32)).verifier.vkey
OTHER = NoteSigner("b.ring.registry.example", SigningKey(b"b" * 32)).verifier.vkey


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An authority of two of three officers."""
    return Place(tmp_path)


def state(place: Place, node: str, *officers: int) -> dict[str, object]:
    options = [option for number in officers for option in place.officer(number)]
    wanted = ("--service", "registry.example", "--node", node, "--yes", "-o", place.list)
    answer: dict[str, object] = run("node-lost", *place.common, *wanted, *options)
    return answer


def test_officers_sign_together_or_in_turn(place: Place) -> None:
    assert state(place, NODE, 1)["signatures"] == 1
    place.clock.write_text("2026-11-23T12:00:00+09:00\n")
    assert state(place, NODE, 3)["signatures"] == 2
    officers = Officers.read((place.folder / "officers.txt").read_text())
    values = NODE_LOST.read(officers.open(place.list.read_text()).text)
    assert (values["node"], values["service"], values["day"]) == (NODE, "registry.example", "2026-11-22")


def test_a_file_about_something_else_gets_no_signature(place: Place) -> None:
    state(place, NODE, 1)
    with pytest.raises(RequestInvalid):
        state(place, OTHER, 2)
    assert len(split_note(place.list.read_text())[1]) == 1
    place.list.write_text("a letter\n")
    with pytest.raises(NoteMalformed):
        state(place, NODE, 2)
    place.list.unlink()
    with pytest.raises(NoteMalformed):
        state(place, "no key", 2)
