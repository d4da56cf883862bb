"""The conformance pages hold what the code holds: labels, the signed time, the operator's code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from checkin.errors import NoteUntrusted
from checkin.protocol.note import NoteVerifier
from checkin.protocol.primitives import Label, derive
from checkin.protocol.signed_time import read_time

ROOT = Path(__file__).parents[3]
SPEC = ROOT / "docs" / "spec"
LABELS = (SPEC / "labels.md").read_text(encoding="utf-8")
SCANNER = (SPEC / "scanner.md").read_text(encoding="utf-8")
NONCE = "AAECAwQFBgcICQoLDA0ODw"


def test_labels_of_the_page_are_those_of_the_code() -> None:
    """Each once, in their order; all different."""
    rows = re.findall(r"^\| `([^`]+)` \|", LABELS, re.MULTILINE)
    assert rows == [label.value.decode("ascii") for label in Label]
    assert len(set(rows)) == len(rows)


def test_the_example_of_a_sub_key_is_computed_right() -> None:
    """HKDF-SHA256 with the label as info."""
    day_key, sub_key = re.findall(r"`([0-9a-f]{64})`", LABELS)
    assert derive(bytes.fromhex(day_key), Label.SUB_ROW).hex() == sub_key


def test_the_example_of_a_signed_time_verifies() -> None:
    """For its nonce, and for no other."""
    verifier = NoteVerifier.parse(re.findall(r"`(registry\.example\+[^`]+)`", SCANNER)[0])
    note = re.findall(r"^```time\n(.*?)^```$", SCANNER, re.MULTILINE | re.DOTALL)[0]
    assert read_time(note, verifier, NONCE) == 1795143603
    with pytest.raises(NoteUntrusted):
        read_time(note, verifier, "A" * 22)


def quotes() -> list[tuple[str, str, str, str]]:
    """(file, page, section, words) of every `SPEC page.md §N: "…"` in Python and in the pages' JavaScript."""
    found = []
    for package in ("checkin", "issuer", "venue", "retention"):
        for path in sorted((ROOT / package).rglob("*.[pj][ys]*")):
            if path.suffix not in (".py", ".js") or {"node_modules", "vendor"} & set(path.parts):
                continue
            text = re.sub(r"\n\s*(#|//) ?", " ", path.read_text(encoding="utf-8"))
            for page, section, words in re.findall(r'SPEC (\w+\.md)(?: §([0-9.]+))?: "([^"]+)"', text):
                found.append((path.relative_to(ROOT).as_posix(), page, section, words))
    return found


def section_of(page: str, section: str) -> str:
    """The text of a page, or of one of its sections, in one line."""
    text = (SPEC / page).read_text(encoding="utf-8")
    if section:
        chapter = section.split(".", maxsplit=1)[0]
        text = re.split(r"^## ", text.partition(f"\n## {chapter}. ")[2], maxsplit=1, flags=re.MULTILINE)[0]
    return " ".join(text.split())


def test_rules_that_the_code_quotes_are_in_their_sections() -> None:
    """A `SPEC` comment says what the page says, in Python and in JavaScript."""
    found = quotes()
    assert len([quote for quote in found if quote[0].endswith(".py")]) >= 15
    assert len([quote for quote in found if quote[0].endswith(".js")]) >= 15
    assert [quote for quote in found if quote[3] not in section_of(quote[1], quote[2])] == []
