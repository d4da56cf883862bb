"""docs/spec/issuer.md is what the code does: its example is computed again, its tables are the database's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from checkin.errors import CodeWrong
from checkin.files.tables import SqliteTables
from checkin.keys.key_ring import KeyName, KeyRing, Purpose
from checkin.protocol.encoding import b64url_decode, u64be
from checkin.protocol.primitives import Label, derive
from issuer import registrations
from issuer.accounts import read_recovery_code, recovery_digest
from issuer.contact import MAX_NAME, Contact
from issuer.database import ISSUER
from issuer.identity_keys import IdentityKeys
from issuer.registrations import MAX_TRIES

NAME = KeyName(Purpose.IDENTITY, 20779)


class OneKey(KeyRing):
    """A ring with the example's key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def names(self, purpose: Purpose | None = None) -> list[KeyName]:
        return [NAME] if purpose in (None, NAME.purpose) else []

    def subkey(self, name: KeyName, label: Label) -> bytes:
        assert name == NAME
        return derive(self._key, label)


@pytest.fixture
def text(request: pytest.FixtureRequest) -> str:
    """The page."""
    path: Path = request.config.rootpath / "docs" / "spec" / "issuer.md"
    return path.read_text(encoding="utf-8")


def _values(text: str) -> dict[str, str]:
    values: dict[str, str] = {}
    name = ""
    for block in re.findall(r"```text\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            name = line[:16].strip() or name
            values[name] = values.get(name, "") + line[16:].strip()
    return values


def test_the_example_opens_as_it_says(text: str) -> None:
    values = _values(text)
    ring = OneKey(bytes.fromhex(values["identity key"]))
    assert ring.subkey(NAME, Label.SUB_REGISTRATION).hex() == values["sub-key"]
    waiting = registrations.read_pending(ring, values["registration_id"])
    assert waiting.contact == Contact("김하나", "+821012345678")
    assert (waiting.id.hex(), waiting.code_hash.hex()) == (values["id"], values["code hash"])
    assert u64be(waiting.expires).hex() == values["expiry"]
    assert b64url_decode(values["registration_id"])[:12].hex() == values["nonce"]
    waiting.check(bytes.fromhex(values["code"]).decode(), waiting.expires - 1)
    with pytest.raises(CodeWrong):
        waiting.check("03133743", waiting.expires - 1)


def test_the_examples_subject_is_found_as_it_says(text: str) -> None:
    values = _values(text)
    keys = IdentityKeys(OneKey(bytes.fromhex(values["identity key"])))
    assert keys.phone_mac(NAME, "+821012345678").hex() == values["phone"]
    assert keys.day_mac(NAME, 20779, "+821012345678").hex() == values["phone of a day"]
    aad = Label.IDENTITY + bytes.fromhex(values["subject"]) + u64be(20779)
    assert aad.hex() == values["aad"]
    assert recovery_digest(read_recovery_code(values["recovery code"].lower())).hex() == values["recovery"]
    assert keys.open(NAME, int(values["subject"], 16), keys.seal(NAME, int(values["subject"], 16), b"x")) == b"x"


def test_the_page_names_every_column_and_no_other(text: str, tmp_path: Path) -> None:
    rows = re.findall(r"^\| ([a-z_]+) \| ([a-z_, ]+) \| ", text, re.MULTILINE)
    documented = {table: columns.split(", ") for table, columns in rows if table != "table"}
    database = SqliteTables(tmp_path, ISSUER)
    with database.reading() as tables:
        stored = {table.name: [column.name for column in table.columns] for table in tables.tables}
    database.close()
    assert documented == stored


def test_the_numbers_of_the_page_are_those_of_the_code(text: str) -> None:
    assert f"always {registrations.ID_LENGTH} characters" in text
    assert f"1 to {MAX_NAME} characters" in text
    assert (MAX_TRIES, registrations.LIFE_SECONDS) == (5, 300)
