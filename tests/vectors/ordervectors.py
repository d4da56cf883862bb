"""Parts of orders with their rows and lists, and the closing of a day, for `make.py`: each judged by Python.

The good ones are the examples of the specification's pages; what is wrong is made of them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from checkin.orders.part import Part
from checkin.orders.rows import ListedSeal, ListedVisit, read_row
from checkin.vault.closing import check_closing, closing_digest
from checkin.vault.engines import Row
from checkin.vault.row_tree import hashed
from tests.vectors.material import code_of, seed

PAGE = (Path(__file__).parents[2] / "docs" / "spec" / "order.md").read_text(encoding="utf-8")


def parts_file() -> dict[str, Any]:
    """`parts.json`."""
    return {"spec": "docs/spec/order.md", "parts": parts(), "rows": rows(), "items": items()}


def _case(name: str, text: str) -> dict[str, Any]:
    expected = code_of(Part.read, text)
    digest = Part.read(text).digest if expected == "ok" else None
    return {"name": name, "text": text, "expected": expected, "digest": digest}


def parts() -> list[dict[str, Any]]:
    """The example's parts with their digests; lines that are missing, foreign, doubled or out of bounds."""
    notes = re.findall(r"```order-part\n(.*?)```", PAGE, re.S)
    batches, contacts, people = (note.rpartition("\n\n")[0] + "\n" for note in notes)
    cases = [_case(f"the example's {step}", text) for step, text in
             (("batches", batches), ("contacts", contacts), ("people", people))]  # fmt: skip
    phone, days = "phone +821012345678\n", "days 2026-11-14 2026-11-20\n"
    visits = batches.replace("step batches", "step visits").replace("purpose contacts of a person with measles\n", "")
    window = "venue 0001020304050607\nfrom 2026-11-20T10:00+09:00\nto 2026-11-20T14:00+09:00\n"
    visits = visits.replace(phone + days, window)
    cases.append(_case("visits of four hours", visits))
    changes = [
        (batches, "a simulated clock", "salt", "salt", "clock simulated\n"),
        (batches, "another clock", "salt", "salt", "clock real\n"),
        (batches, "no phone", phone, "", ""),
        (batches, "a phone in another form", "+821012345678", "010-1234-5678", ""),
        (batches, "a venue for an issuer", phone, "venue 0001020304050607\n" + phone, ""),
        (batches, "an unknown step", "step batches", "step everything", ""),
        (batches, "29 days", "2026-11-14", "2026-10-23", ""),
        (batches, "28 days", "2026-11-14", "2026-10-24", ""),
        (batches, "days the other way round", "2026-11-14 2026-11-20", "2026-11-20 2026-11-14", ""),
        (batches, "no such day", "2026-11-14", "2026-11-31", ""),
        (batches, "more rows than may be asked for", "limit 1000", "limit 5001", ""),
        (batches, "a limit written longer", "limit 1000", "limit 01000", ""),
        (batches, "an answer key of small order", "rAGyIJ6GNU+4UyN7XeD0+rE8f8v0M6YcAZNpYX/s8Qs=", "A" * 43 + "=", ""),
        (batches, "an order id in capitals", "0f1e2d3c4b5a6978", "0F1E2D3C4B5A6978", ""),
        (batches, "a shorter salt", "YhJO18rSMX0HU=", "YhJO18rSMX0A==", ""),
        (batches, "no time of expiry", "2026-11-24T09:00+09:00", "2026-11-24T09:00", ""),
        (batches, "lines in another order", phone + days, days + phone, ""),
        (batches, "an invisible character", "case 2026-17", "case 2026\u200b-17", ""),
        (contacts, "a purpose told to a registry", "days", "purpose measles\ndays", ""),
        (people, "30 days of people", "2026-11-14", "2026-10-22", ""),
        (visits, "a minute more than four hours", "T14:00", "T14:01", ""),
        (visits, "no hours at all", "T14:00", "T10:00", ""),
        (visits, "a venue's id in another form", "0001020304050607", "01020304050607", ""),
        (visits, "a phone for a registry", "venue", phone + "venue", ""),
    ]
    for text, name, old, new, last in changes:
        cases.append(_case(name, text.replace(old, new, 1) + last))
    cases.append(_case("no key of its list", re.sub(r"order-key .*\n", "", contacts)))
    return cases


def rows() -> list[dict[str, str]]:
    """One row of each kind, and other spellings."""
    visit, sealed = "101112131415161718191a1b1c1d1e1f", "A" * 96
    good = {
        "visit": f"visit 2 2026-11-20 {visit} {sealed} 29385788 1",
        "place": f"place 1 1 2026-11-20 {visit} 29385780 0001020304050607",
        "venue": "venue 0001020304050607 Café Mugunghwa",
        "batch": f"batch 2026-11-20 {visit} {visit} {'A' * 112}",
        "person": f"person {visit} 0a1b2c3d4e5f +821012345678 Kim Ji-woo",
        "unopened": f"unopened {visit}",
        "damaged": "damaged 2",
    }
    lines = list(good.items())
    lines += [(f"{kind}, its id in capitals", line.replace("1a1b", "1A1B")) for kind, line in good.items()
              if "1a1b1c1d" in line]  # fmt: skip
    lines += [(f"{kind}, a word less", line.rpartition(" ")[0]) for kind, line in good.items()
              if kind not in ("venue", "person")]  # fmt: skip
    lines += [
        ("a number written longer", good["visit"].replace("visit 2", "visit 02")),
        ("a number too large", good["visit"].replace("29385788", "4294967296")),
        ("another kind", "visits" + good["visit"][5:]),
        ("two spaces", good["place"].replace("place ", "place  ")),
        ("another alphabet", good["visit"].replace("AAAA", "-_AA", 1)),
        ("another size", good["visit"].replace("AAAA", "", 1)),
        ("empty", ""),
    ]
    return [{"name": name, "line": line, "expected": code_of(read_row, line)} for name, line in lines]


def items() -> list[dict[str, str]]:
    """What later steps' lists hold."""
    visit = "101112131415161718191a1b1c1d1e1f"
    readers = {"contacts": ListedVisit.read, "people": ListedSeal.read}
    lines = [
        ("contacts", "a visit", f"1 2026-11-20 {visit}"),
        ("contacts", "a number too large", f"4294967296 2026-11-20 {visit}"),
        ("contacts", "an id a byte short", f"1 2026-11-20 {visit[2:]}"),
        ("contacts", "a day in another form", f"1 20-11-2026 {visit}"),
        ("people", "a seal", f"2026-11-20 {visit} {'A' * 32}"),
        ("people", "a seal a byte short", f"2026-11-20 {visit} {'A' * 31}="),
        ("people", "a word more", f"2026-11-20 {visit} {'A' * 32} x"),
    ]
    return [
        {"step": step, "name": name, "line": line, "expected": code_of(readers[step], line)}
        for step, name, line in lines
    ]


def closing_file() -> dict[str, Any]:
    """`closing.json`: roots of days' rows, and what an auditor is shown of a closing."""
    made = [
        Row(seed(f"row {number}")[:16], seed(f"group {number % 2}")[:16], number, seed("n")[:12], seed("s") * 4)
        for number in range(5)
    ]
    made.sort(key=lambda row: row.key)
    days = [made[:count] for count in range(6)]
    roots = [hashed(rows).root() for rows in days]
    salt = seed("salt")
    digest = closing_digest(salt, roots[5], 5)
    cases = [
        ("as it was closed", salt, roots[5], 5),
        ("another salt", seed("other salt"), roots[5], 5),
        ("a row less", salt, roots[4], 5),
        ("another count", salt, roots[5], 6),
    ]
    return {
        "spec": "docs/spec/vault.md",
        "salt": salt.hex(),
        "days": [
            {"rows": [_plain(row) for row in rows], "root": root.hex(),
             "digest": closing_digest(salt, root, len(rows)).hex()}
            for rows, root in zip(days, roots, strict=True)
        ],
        "digest": digest.hex(),
        "cases": [
            {"name": name, "salt": salt.hex(), "root": root.hex(), "count": count,
             "expected": code_of(lambda s=salt, r=root, c=count: check_closing(digest, salt=s, root=r, count=c))}
            for name, salt, root, count in cases
        ],
    }  # fmt: skip


def _plain(row: Row) -> dict[str, Any]:
    return {"key": row.key.hex(), "group": row.group.hex(), "bucket": row.bucket, "nonce": row.nonce.hex(),
            "sealed": row.sealed.hex()}  # fmt: skip
