"""Every example of docs/spec/ring.md is a case of the vectors that is taken."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/spec/ring.md").read_text(encoding="utf-8")
VECTORS = json.loads((ROOT / "tests/vectors/ring.json").read_text(encoding="ascii"))


def test_the_examples_are_the_vectors() -> None:
    """With the verifier keys that they open under."""
    found = dict(re.findall(r"^```(ring-[a-z-]+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
    taken = {case["note"]: case["kind"] for case in VECTORS["cases"] if case["expected"] == "ok"}
    assert len(found) == len(taken) == 4
    assert {f"checkin/{kind}/v1": note for kind, note in found.items()} == {kind: note for note, kind in taken.items()}
    assert set(re.findall(r"`([a-z.]+\+[0-9a-f]{8}\+[^`]+)`", PAGE)) == {VECTORS["node"], *VECTORS["senders"]}
