"""Lists of keys, and what a later list does to what is known, good and bad, for `make.py`: each judged by Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from checkin.protocol.encoding import b64_encode
from checkin.protocol.key_list import (
    AuthorityKey,
    AuthorityList,
    CheckedList,
    DestroyedKey,
    DestroyedList,
    IntakeKey,
    IntakeList,
    IssuerList,
    ListedKey,
    issuer_kid,
    merge,
)
from checkin.protocol.primitives import OpeningKey, SigningKey, sha256
from tests.vectors.material import ODD_KEYS, code_of

# Numbers of keys, SHA-256 of `kid N` their seeds: two of one issuer that have one kid, the first that met.
MET = (68224, 118409)
COMMITMENT = "0123456789abcdef" * 4


def lists_file() -> dict[str, Any]:
    """`lists.json`."""
    return {"spec": "docs/spec/keys.md", "cases": [*lists(), *authority_lists()], "merges": merges()}


def lists() -> list[dict[str, str]]:
    """Good lists and what can be wrong with one, judged by Python."""
    key = SigningKey(b"\x01" * 32).public
    good = IssuerList(7, {20777: ListedKey(issuer_kid(7, key), key), 20779: ListedKey(issuer_kid(7, key), key)}).text()
    sealing = OpeningKey(b"\x02" * 32).public
    intake = IntakeList("registry.test", {20777: IntakeKey(sealing), 20778: IntakeKey(sealing)}, simulated=True).text()
    head, first, *rest = good.split("\nkey ")
    changed = {
        "good": good,
        "another issuer": good.replace("issuer 7", "issuer 8"),
        "a number written longer": good.replace("issuer 7", "issuer 07"),
        "no such number": good.replace("issuer 7", "issuer 4294967296"),
        "days the other way round": "\nkey ".join([head, rest[0].rstrip("\n"), first]) + "\n",
        "a day twice": "\nkey ".join([head, first, first]) + "\n",
        "no such day": good.replace("2026-11-20", "2026-11-31"),
        "a day written shorter": good.replace("2026-11-20", "2026-11-2"),
        "no keys": head + "\n",
        "another line": good + "note hello\n",
        "another clock": good.replace("\nkey", "\nclock real\nkey", 1),
        "a simulated clock": good.replace("\nkey", "\nclock simulated\nkey", 1),
        "an invisible character": good.replace("issuer 7", "issuer 7\u200b"),
        "three columns": good.replace("key 2026-11-20 ", "key 2026-11-20 x "),
    }
    cases: list[tuple[str, str, str, Callable[[str], object]]]
    cases = [("issuer", name, text, IssuerList.read) for name, text in changed.items()]
    for odd in ODD_KEYS:
        line = f"{issuer_kid(7, odd).hex()} {b64_encode(odd)}"
        text = f"checkin/issuer-keys/v1\nissuer 7\nkey 2026-11-20 {line}\n"
        cases.append(("issuer", f"the key {odd.hex()}", text, IssuerList.read))
        text = f"checkin/intake-keys/v1\nregistry a.test\nkey 2026-11-20 {b64_encode(odd)}\n"
        cases.append(("intake", f"the key {odd.hex()}", text, IntakeList.read))
    met = sorted(_issuer_key(number) for number in MET)
    shared = "".join(f"key 2026-11-2{at} {kid} {key}\n" for at, (kid, key) in enumerate(met))
    cases.append(("issuer", "two keys with one kid", f"checkin/issuer-keys/v1\nissuer 7\n{shared}", IssuerList.read))
    cases += [
        ("intake", "good", intake, IntakeList.read),
        ("intake", "a name with a scheme", intake.replace("registry.test", "https://registry.test"), IntakeList.read),
    ]
    return [
        {"kind": kind, "name": f"{kind} {name}", "text": text, "expected": code_of(read, text)}
        for kind, name, text, read in cases
    ]


def _issuer_key(number: int, issuer: int = 7) -> tuple[str, str]:
    """Kid and key as a list spells them."""
    public = SigningKey(sha256(f"kid {number}".encode())).public
    return issuer_kid(issuer, public).hex(), b64_encode(public)


def authority_lists() -> list[dict[str, str]]:
    """The authority's: its keys, and which were destroyed or checked. The pages read none of them."""
    sealing = OpeningKey(b"\x02" * 32).public
    keys = AuthorityList("health.test", {20777: AuthorityKey(sealing, COMMITMENT)}).text()
    done = {20777: DestroyedKey(COMMITMENT, 20805)}
    destroyed, checked = DestroyedList("health.test", done).text(), CheckedList("health.test", done).text()
    readers: dict[str, Callable[[str], object]]
    readers = {"authority": AuthorityList.read, "destroyed": DestroyedList.read, "checked": CheckedList.read}
    texts = {"authority": keys, "destroyed": destroyed, "checked": checked}
    changes = [
        ("good", "", ""),
        ("a shorter commitment", COMMITMENT, COMMITMENT[:-1]),
        ("a commitment in capitals", COMMITMENT, COMMITMENT.upper()),
        ("no commitment", f" {COMMITMENT}", ""),
        ("a name with a scheme", "health.test", "https://health.test"),
        ("no such day", "2026-11-20", "2026-02-30"),
    ]
    cases = [(kind, name, text.replace(old, new)) for kind, text in texts.items() for name, old, new in changes]
    for odd in ODD_KEYS:
        cases.append(("authority", f"the key {odd.hex()}", keys.replace(b64_encode(sealing), b64_encode(odd))))
    cases += [("destroyed", "of a checked list", checked), ("checked", "of a destroyed list", destroyed)]
    return [
        {"kind": kind, "name": f"{kind} {name}", "text": text, "expected": code_of(readers[kind], text)}
        for kind, name, text in cases
    ]


def merges() -> list[dict[str, Any]]:
    """What is known, the next list, and the days known then; numbers stand for keys made of `kid N`."""
    first, second = MET
    pairs: list[tuple[str, str, dict[int, int], dict[int, int]]] = []
    for kind in ("issuer", "intake"):
        pairs += [
            (kind, "the first list", {}, {20777: 1, 20778: 2}),
            (kind, "a day more", {20777: 1}, {20777: 1, 20778: 2}),
            (kind, "other days alone", {20777: 1}, {20779: 2}),
            (kind, "an older list", {20777: 1, 20778: 2}, {20777: 1}),
            (kind, "one key for several days", {20777: 1}, {20778: 1}),
            (kind, "another key for a day", {20777: 1}, {20777: 2}),
            (kind, "another key for a day, beside a new one", {20777: 1}, {20777: 2, 20778: 3}),
            (kind, "keys changed round", {20777: 1, 20778: 2}, {20777: 2, 20778: 1}),
        ]
    pairs.append(("issuer", "another key with the kid of a known one", {20777: first}, {20778: second}))
    pairs.append(("issuer", "that key's kid again", {20777: first}, {20778: first}))
    made = []
    for kind, name, known, fresh in pairs:
        lists = [_keys(kind, numbers) for numbers in (known, fresh)]
        expected = code_of(merge, *lists)
        days = sorted({*known, *fresh} if expected == "ok" else known)
        texts = {"known": _text(kind, known), "fresh": _text(kind, fresh)}
        made.append({"kind": kind, "name": f"{kind}: {name}", **texts, "expected": expected, "days": days})
    return made


def _keys(kind: str, numbers: dict[int, int]) -> dict[int, Any]:
    seeds = {day: sha256(f"kid {number}".encode()) for day, number in numbers.items()}
    if kind == "intake":
        return {day: IntakeKey(OpeningKey(seed).public) for day, seed in seeds.items()}
    publics = {day: SigningKey(seed).public for day, seed in seeds.items()}
    return {day: ListedKey(issuer_kid(7, public), public) for day, public in publics.items()}


def _text(kind: str, numbers: dict[int, int]) -> str | None:
    """The list of these keys; None for none at all."""
    if not numbers:
        return None
    keys = _keys(kind, numbers)
    return (IntakeList("registry.test", keys) if kind == "intake" else IssuerList(7, keys)).text()
