"""Vectors of what is signed as text: notes, times, lists of keys, a scanner's lists, orders' parts, a day's closing.
The pages' modules are judged by the same files where they have the rule (tests/js/judge.js)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from checkin.audit.point import AUDIT
from checkin.errors import CheckinError
from checkin.orders.part import Part
from checkin.orders.rows import ListedSeal, ListedVisit, read_row
from checkin.parties.scanner_trust import Trust
from checkin.protocol.key_list import AuthorityList, CheckedList, DestroyedList, IntakeList, IssuerList, merge
from checkin.protocol.note import NoteVerifier, open_note
from checkin.protocol.signed_time import read_time
from checkin.protocol.statement import StatementType
from checkin.purge.statement_store import PURGE_REPORT
from checkin.vault.closing import check_closing, closing_digest
from checkin.vault.engines import Row
from checkin.vault.row_tree import hashed
from tests.vectors import ringvectors

VECTORS = Path(__file__).parents[2] / "vectors"
FILES = {name: json.loads((VECTORS / f"{name}.json").read_text(encoding="ascii"))
         for name in ("notes", "time", "lists", "trust", "parts", "closing", "ring")}  # fmt: skip
LISTS: dict[str, type[IssuerList | IntakeList | AuthorityList | DestroyedList | CheckedList]] = {
    "issuer": IssuerList, "intake": IntakeList, "authority": AuthorityList, "destroyed": DestroyedList,
    "checked": CheckedList,
}  # fmt: skip
STATEMENTS = {kind.kind: kind for kind in (PURGE_REPORT, AUDIT)}
WORDS = StatementType("checkin/words/v1", "words")
ITEMS: dict[str, Callable[[str], object]] = {"contacts": ListedVisit.read, "people": ListedSeal.read}
Case = dict[str, Any]


def open_case(case: Case) -> None:
    """A note under some verifier keys."""
    opened = open_note(case["note"], [NoteVerifier.parse(vkey) for vkey in case["vkeys"]], case["threshold"])
    assert opened.text == case["text"]


def tell(case: Case) -> None:
    """A signed time, for the file's nonce."""
    verifier = NoteVerifier.parse(FILES["time"]["vkey"])
    assert read_time(case["note"], verifier, FILES["time"]["nonce"]) == case["time"]


def add(case: Case) -> None:
    """A list to what is known."""
    kind: Any = LISTS[case["kind"]]
    known = kind.read(case["known"]).keys if case["known"] else {}
    added = merge(known, kind.read(case["fresh"]).keys)
    assert sorted({**known, **added}) == case["days"]


def read_part(case: Case) -> None:
    """A part, and what of it is in the log."""
    assert Part.read(case["text"]).digest == case["digest"]


def close(case: Case) -> None:
    """What an auditor is shown of a closed day."""
    digest, salt, root = (bytes.fromhex(value) for value in (FILES["closing"]["digest"], case["salt"], case["root"]))
    check_closing(digest, salt=salt, root=root, count=case["count"])


JUDGES: list[tuple[str, str, Callable[[Case], object]]] = [
    ("notes", "cases", open_case),
    ("notes", "values", lambda case: WORDS.read(case["text"])),
    ("notes", "statements", lambda case: STATEMENTS[case["kind"]].read(case["text"])),
    ("time", "cases", tell),
    ("lists", "cases", lambda case: LISTS[case["kind"]].read(case["text"])),
    ("lists", "merges", add),
    ("parts", "parts", read_part),
    ("parts", "rows", lambda case: read_row(case["line"])),
    ("parts", "items", lambda case: ITEMS[case["step"]](case["line"])),
    ("closing", "cases", close),
    ("ring", "cases", ringvectors.judge),
]


def code_of(judge: Callable[[Case], object], case: Case) -> str:
    """`ok` or the error's code."""
    try:
        judge(case)
    except CheckinError as error:
        return error.code
    return "ok"


@pytest.mark.parametrize(("name", "where", "judge"), JUDGES, ids=[f"{name}-{where}" for name, where, _ in JUDGES])
def test_every_case_is_answered_with_its_one_code(name: str, where: str, judge: Callable[[Case], object]) -> None:
    """Good ones are taken, and each bad one is refused with the code that the file names."""
    cases = FILES[name][where]
    wrong = [case for case in cases if code_of(judge, case) != case["expected"]]
    assert wrong == []
    codes = [case["expected"] for case in cases]
    assert "ok" in codes
    assert len(set(codes)) > 1, "a judge who takes everything would agree"


@pytest.mark.parametrize("case", FILES["trust"]["cases"], ids=lambda case: case["name"])
def test_a_scanner_takes_lists_whole_or_not_at_all(case: Case) -> None:
    """Told in turn, each time as after a restart; what is known in the end is what the file says."""
    vectors, trust = FILES["trust"], Trust()
    passed: dict[int, str] = {}
    code, ours = "", True
    for told in case["told"]:
        answer, nonce = vectors["answers"][told["answer"]], told["nonce"]
        trust = TypeAdapter(Trust).validate_json(json.dumps(trust.__dict__))
        try:
            code, ours, passed = "ok", True, {}
            trust.time_told(answer, nonce)
        except CheckinError:
            ours = False
        try:
            passed = trust.update(answer, nonce, vectors["now"] + told["late"])
        except CheckinError as error:
            code = error.code
    assert (code, ours, sorted(passed)) == (case["expected"], case["ours"], case["passed"])
    assert {str(issuer): sorted(keys) for issuer, keys in trust.issuer_keys.items()} == case["issuers"]
    assert sorted(trust.issuer_vkeys) == case["pinned"]
    assert sorted(trust.intake_keys) == case["intake"]
    assert (trust.log and trust.log["vkey"]) == case["log"]


def test_a_scanner_admits_nobody_by_a_time_that_was_told_long_ago() -> None:
    """Nor by one before it."""
    trust = Trust(time=FILES["trust"]["now"])
    for moment in FILES["trust"]["after"]:
        assert code_of(lambda case: trust.require_time(trust.time + case["late"]), moment) == moment["expected"]


def row_of(key: str, group: str, bucket: int, nonce: str, sealed: str) -> Row:
    """A row out of the file."""
    return Row(bytes.fromhex(key), bytes.fromhex(group), bucket, bytes.fromhex(nonce), bytes.fromhex(sealed))


def test_a_days_digest_follows_from_its_rows() -> None:
    """From none to five."""
    salt = bytes.fromhex(FILES["closing"]["salt"])
    for day in FILES["closing"]["days"]:
        tree = hashed(row_of(**row) for row in day["rows"])
        assert tree.root().hex() == day["root"]
        assert closing_digest(salt, tree.root(), tree.size).hex() == day["digest"]
