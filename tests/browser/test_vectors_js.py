"""One format, two implementations: node and Chromium answer every vector as the Python implementation does."""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from checkin.errors import BadSignature
from checkin.protocol.encoding import b64url_decode
from checkin.protocol.intake import ENTRY_SIZE, Place, open_entry
from checkin.protocol.primitives import OpeningKey
from tests.browser.conftest import ROOT, Launch
from tests.browser.judgedvectors import VECTORS, keys, signatures
from tests.vectors.material import code_of

OWN = (
    *("presentation", "credential", "intake", "encoding", "logproof", "merkle"),
    *("notes", "time", "lists", "trust", "answers", "toldtime", "enrolment", "calendar"),
)
Vectors = dict[str, Any]


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    """The project's files, and what Python makes on the spot."""
    own = {name: json.loads((VECTORS / f"{name}.json").read_text(encoding="ascii")) for name in OWN}
    return own | {"signatures": signatures(), "keys": keys()}


ALTERED = (
    *((name, "cases") for name in ("presentation", "intake", "notes", "time", "lists", "trust", "answers")),
    *((name, "cases") for name in ("toldtime", "enrolment", "credential")),
    *(("notes", "statements"), ("trust", "after"), ("lists", "merges")),
    *(("logproof", "proofs"), ("logproof", "cosignatures")),
)


def altered(vectors: Vectors) -> Vectors:
    """The same with one expectation changed in each place."""
    other = copy.deepcopy(vectors)
    for name, where in ALTERED:
        other[name][where][1]["expected"] = "wrong_day"
    return other


def run_node(node: str, folder: Path, vectors: Vectors) -> subprocess.CompletedProcess[str]:
    """`node --test` on these vectors."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, content in vectors.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="ascii")
    command = [node, "--no-warnings", "--test", "--test-reporter=tap", str(ROOT / "tests" / "js")]
    environment = os.environ | {"CHECKIN_VECTORS": str(folder)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)


def judged(page: Page, files: str, vectors: Vectors) -> list[dict[str, Any]]:
    """What Chromium says."""
    page.goto(f"{files}/tests/js/blank.html")
    script = """async ([base, vectors]) => {
        const { judgeAll, load } = await import("/tests/js/judge.js");
        return judgeAll(await load("/checkin/web/static/js"), vectors);
    }"""
    return list(page.evaluate(script, ["", vectors]))


def test_python_made_both_good_and_bad_cases(vectors: Vectors) -> None:
    """An oracle that refuses everything would agree with anything."""
    for name in ("signatures", "keys", "notes", "time", "lists", "trust", "answers", "enrolment"):
        cases = vectors[name]["cases"] if isinstance(vectors[name], dict) else vectors[name]
        codes = [case["expected"] for case in cases]
        assert codes.count("ok") >= 3, name
        assert len(codes) - codes.count("ok") >= 10, name
    assert {case["expected"] for case in vectors["signatures"]} == {"ok", BadSignature.code}


def test_node_answers_every_vector_as_python_does(node: str, tmp_path: Path, vectors: Vectors) -> None:
    """The pages' modules, without a browser."""
    done = run_node(node, tmp_path / "vectors", vectors)
    assert done.returncode == 0, [line for line in done.stdout.splitlines() if line.startswith("not ok")][:5]
    assert int(done.stdout.rsplit("# pass ", 1)[1].split()[0]) >= 400


def test_node_notices_an_altered_expectation(node: str, tmp_path: Path, vectors: Vectors) -> None:
    """Each changed code among hundreds is counted."""
    done = run_node(node, tmp_path / "vectors", altered(vectors))
    assert done.returncode != 0
    assert f"\n# fail {len(ALTERED)}\n" in done.stdout


def test_chromium_answers_every_vector_as_python_does(launch: Launch, files: str, vectors: Vectors) -> None:
    """The same modules with Chromium's WebCrypto; an altered expectation shows there too."""
    page = launch().new_page()
    results = judged(page, files, vectors)
    assert len(results) >= 400
    assert [result for result in results if result["got"] != result["expected"]] == []
    wrong = [result for result in judged(page, files, altered(vectors)) if result["got"] != result["expected"]]
    assert len(wrong) == len(ALTERED)


def test_what_a_page_queues_the_registry_opens(launch: Launch, files: str, vectors: Vectors) -> None:
    """HPKE by the page's library, opened by Python's, and bound to venue, scanner and day."""
    intake = vectors["intake"]
    page = launch().new_page()
    page.goto(f"{files}/tests/js/blank.html")
    script = """async ([scan, day, key]) => {
        const { sealEntry } = await import("/checkin/web/static/js/intake.js");
        const { base64urlEncode, fromHex } = await import("/checkin/web/static/js/encoding.js");
        const read = { scannedAt: scan.scanned_at, scanId: fromHex(scan.scan_id), token: fromHex(scan.token) };
        const place = { venue: fromHex("0102030405060708"), scanner: fromHex("1112131415161718") };
        return base64urlEncode(await sealEntry(read, day, place, fromHex(key)));
    }"""
    key = OpeningKey(bytes.fromhex(intake["intake_private"]))
    entry = b64url_decode(page.evaluate(script, [intake["scan"], intake["day"], key.public.hex()]), ENTRY_SIZE)
    place = Place(bytes.fromhex("0102030405060708"), bytes.fromhex("1112131415161718"))
    scan = open_entry(entry, place, key)
    assert (scan.scanned_at, scan.token.hex()) == (intake["scan"]["scanned_at"], intake["scan"]["token"])
    assert code_of(open_entry, entry, Place(place.scanner, place.venue), key) == "entry_unreadable"
