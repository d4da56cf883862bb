"""The example of docs/spec/vault.md, computed a second time: only hashlib, hmac and AES-GCM, none of our code."""

from __future__ import annotations

import hashlib
import hmac
import re
import struct
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from checkin.keys.key_ring import KeyName
from checkin.protocol.primitives import Label, derive
from checkin.vault.closing import close_day, closing_digest
from checkin.vault.engines import Row
from checkin.vault.engines.sqlite import SqliteStore
from checkin.vault.ledger import visit_id
from checkin.vault.row_tree import hashed
from checkin.vault.vault import Vault
from checkin.vault.visit import open_visit, venue_group, visit_key

SPEC = Path(__file__).parents[3] / "docs" / "spec" / "vault.md"
_BLOCK = re.compile(r"```text\n(.*?)```", re.DOTALL)
_LINE = re.compile(r"([a-z_ ]+?) {2,}((?:[0-9a-f]{2} ?)+)")


def example(number: int) -> dict[str, bytes]:
    """The values of the page's example block of that number; a value goes on in lines that begin with a space."""
    text = re.sub(r"\n +", " ", _BLOCK.findall(SPEC.read_text(encoding="utf-8"))[number])
    matches = [_LINE.fullmatch(line) for line in text.splitlines()]
    assert all(matches)
    return {match[1]: bytes.fromhex(match[2]) for match in matches if match}


def hkdf(key: bytes, info: bytes) -> bytes:
    """RFC 5869 with an empty salt and 32 bytes out."""
    secret = hmac.digest(bytes(32), key, "sha256")
    return hmac.digest(secret, info + b"\x01", "sha256")


@pytest.fixture
def row() -> dict[str, bytes]:
    return example(0)


def test_the_example_s_columns_follow_from_its_day_key(row: dict[str, bytes]) -> None:
    rows, macs = hkdf(row["day key"], b"ck1/sub/row"), hkdf(row["day key"], b"ck1/sub/mac")
    assert (rows, macs) == (row["row sub_key"], row["mac sub_key"])
    assert hmac.digest(macs, row["visit_id"], "sha256")[:16] == row["key"]
    assert hmac.digest(macs, row["venue"], "sha256")[:16] == row["group"]
    assert row["aad"] == b"venue" + row["day"] + row["key"] + row["group"] + row["bucket"]
    assert AESGCM(rows).encrypt(row["nonce"], row["record"], row["aad"]) == row["sealed"]


def test_the_example_s_record_is_laid_out_as_the_table_says(row: dict[str, bytes]) -> None:
    names = ("venue", "minute", "issuer", "visit_id", "scan_id", "sealed_subject", "flags")
    assert b"".join(row[name] for name in names) == row["record"]
    assert len(row["record"]) == struct.calcsize(">8sII16s16s72sB") == 121


def test_the_example_s_root_and_digest_follow_from_its_row(row: dict[str, bytes]) -> None:
    columns = [row[name] for name in ("key", "group", "bucket", "nonce", "sealed")]
    leaf = b"".join(struct.pack(">I", len(column)) + column for column in columns)
    closing = example(1)
    assert closing["leaf"] == leaf
    assert hashlib.sha256(b"\x00" + leaf).digest() == closing["root"]
    entry = b"ck1/close" + closing["salt"] + closing["root"] + closing["count"]
    assert hashlib.sha256(entry).digest() == closing["digest"]


def test_the_example_s_visit_id_follows_from_its_sigma() -> None:
    ledger = example(2)
    assert hmac.digest(ledger["sigma"], ledger["index"], "sha256")[:16] == ledger["visit_id"]
    assert visit_id(ledger["sigma"], int.from_bytes(ledger["index"], "big")) == ledger["visit_id"]


class ExampleRing:
    """A ring with the example's day key, which no true ring could be made to hold."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def subkey(self, name: KeyName, label: Label) -> bytes:
        assert str(name) == "day-20779"
        return derive(self._key, label)


def test_the_closing_record_is_kept_as_the_page_says(row: dict[str, bytes], tmp_path: Path) -> None:
    vault = Vault("venue", SqliteStore(tmp_path, ordered=True), ExampleRing(row["day key"]))
    closed = close_day(vault, 20779)
    kept = vault.store.attachment(20779, "ck1/close")
    assert kept is not None
    plain = AESGCM(row["row sub_key"]).decrypt(kept[:12], kept[12:], b"ck1/closevenue" + row["day"])
    assert plain == closed.salt + closed.root + bytes(8)
    vault.store.close()


def test_this_program_opens_the_example_and_makes_its_columns(row: dict[str, bytes], tmp_path: Path) -> None:
    vault = Vault("venue", SqliteStore(tmp_path, ordered=True), ExampleRing(row["day key"]))
    day = int.from_bytes(row["day"], "big")
    stored = Row(row["key"], row["group"], row["bucket"][0], row["nonce"], row["sealed"])
    visit = open_visit(vault, day, stored)
    assert visit.encode() == row["record"]
    assert (visit_key(vault, day, visit.visit_id), venue_group(vault, day, visit.venue)) == (row["key"], row["group"])
    closing = example(1)
    assert hashed([stored]).root() == closing["root"]
    assert closing_digest(closing["salt"], closing["root"], 1) == closing["digest"]
    vault.store.close()
