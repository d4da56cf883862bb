"""Vectors that Python makes on the spot and judges itself: signatures, notes, lists, characters, days."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import nacl.bindings

from checkin.clock import Calendar
from checkin.errors import CheckinError
from checkin.protocol.encoding import b64_encode
from checkin.protocol.key_list import IntakeKey, IntakeList, IssuerList, ListedKey, issuer_kid
from checkin.protocol.note import ED25519, NoteSigner, NoteVerifier, key_id, open_note, sign_note, write_vkey
from checkin.protocol.primitives import OpeningKey, SigningKey, check_signing_key, sha256, verify
from checkin.protocol.statement import Field, StatementType
from tests.browser.conftest import ROOT

VECTORS = ROOT / "tests" / "vectors"

# Encoded points that OpenSSL or WebCrypto may take for keys and that no list may hold:
# see checkin/protocol/primitives.py.
_P = 2**255 - 19
ODD_KEYS = [value.to_bytes(32, "little") for value in (0, 1, 2, _P - 1, _P, _P + 1, _P + 3, 9, 2**255 - 1)] + [
    bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
]
# A point of the right curve with a part of small order: a key of a pair, plus one of order 8.
ODD_KEYS.append(nacl.bindings.crypto_core_ed25519_add(SigningKey(b"\x01" * 32).public, ODD_KEYS[-1]))


MET = (34369, 88483)  # keys of SHA-256 of these, u32be, have one id under the name a.test/x


def code_of(work: Callable[..., object], *values: Any) -> str:
    """`ok` or the error's code."""
    try:
        work(*values)
    except CheckinError as error:
        return error.code
    return "ok"


def signatures() -> list[dict[str, str]]:
    """Others' signatures, with what Python says of each."""
    speccheck = json.loads((VECTORS / "ed25519-speccheck" / "cases.json").read_text())
    cases = [("speccheck", *(case[name] for name in ("pub_key", "message", "signature"))) for case in speccheck]
    for group in json.loads((VECTORS / "wycheproof" / "ed25519_test.json").read_text())["testGroups"]:
        key = group["publicKey"]["pk"]
        cases += [(f"wycheproof {test['tcId']}", key, test["msg"], test["sig"]) for test in group["tests"]]
    for number, case in enumerate(json.loads((VECTORS / "cctv-ed25519" / "ed25519vectors.json").read_text())):
        cases.append((f"cctv {number}", case["key"], case["msg"].encode().hex(), case["sig"]))
    return [
        {
            "name": name,
            "public": public,
            "message": message,
            "signature": signature,
            "expected": code_of(verify, *map(bytes.fromhex, (public, message, signature))),
        }
        for name, public, message, signature in cases
    ]


def keys() -> list[dict[str, str]]:
    """Encodings of points, good and odd, with what Python says of each as a key."""
    publics = {case["public"] for case in signatures()} | {odd.hex() for odd in ODD_KEYS}
    return [
        {"public": public, "expected": code_of(check_signing_key, bytes.fromhex(public))} for public in sorted(publics)
    ]


def opened(note: str, vkeys: list[str], threshold: int) -> None:
    """Raises what opening the note under these verifier keys raises."""
    open_note(note, [NoteVerifier.parse(vkey) for vkey in vkeys], threshold)


def same_id() -> list[str]:
    """Two verifier keys of one name and id: the id has four bytes, and these were the first of which two met."""
    pair = [SigningKey(sha256(number.to_bytes(4, "big"))).public for number in MET]
    assert len({key_id("a.test/x", ED25519, public) for public in pair}) == 1
    return [write_vkey("a.test/x", ED25519, public) for public in pair]


def loosened(note: str) -> str:
    """The note with a bit set after the last byte of its line."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    at = len(note.rstrip("=\n")) - 1
    return note[:at] + alphabet[alphabet.index(note[at]) + 1] + note[at + 1 :]


def notes() -> list[dict[str, Any]]:
    """Good notes and what can be wrong with one, judged by Python."""
    one, two = NoteSigner("a.test/x", SigningKey(b"\x05" * 32)), NoteSigner("b.test", SigningKey(b"\x06" * 32))
    text = "kind/v1\nname 홍길동 & co\n\nlast line\n"
    good, both = sign_note(text, one), sign_note(text, one, two)
    stranger = sign_note(text, NoteSigner("c.test", SigningKey(b"\x09" * 32)))
    line = good.rsplit("\n\n", 1)[1]
    candidates = {
        "signed once": good,
        "signed twice": both,
        "a stranger signed too": good + stranger.rsplit("\n\n", 1)[1],
        "the same line twice": good + line,
        "a bad signature beside a good one": both[:-6] + ("AAAA=\n" if both[-3] == "=" else "AAAAA\n"),
        "only a stranger": stranger,
        "changed": good.replace("last", "lost"),
        "no newline at the end": good[:-1],
        "a carriage return": good.replace("\n", "\r\n"),
        "a tab": good.replace("last line", "last\tline"),
        "no empty line": good.replace("\n\n—", "\n—"),
        "an empty note": "",
        "only newlines": "\n\n\n",
        "two spaces in the line": good.replace("— a", "—  a"),
        "a hyphen for the dash": good.replace("—", "-"),
        "a name with a plus": good.replace("a.test/x", "a+test/x"),
        "a wide space in the name": good.replace("a.test/x", "a\u3000test/x"),
        "a next-line character in the name": good.replace("a.test/x", "a\x85test/x"),
        "padding left out": good[:-1].rstrip("=") + "\n",
        "a stranger's line with loose bits": good + "\u2014 c.test AAAAAAB=\n",
        "a known line with loose bits": loosened(good),
        "sixty-four lines": text + "\n" + line * 64,
        "sixty-five lines": text + "\n" + line * 65,
    }
    keys = [one.verifier.vkey, two.verifier.vkey]
    broken = [keys[0][:-1] + ("A" if keys[0][-1] != "A" else "B"), keys[0].replace("+", "-"), "a+00000000+AAAA", ""]
    broken.append(write_vkey("a.test/x", ED25519, ODD_KEYS[-1]))
    cases = [(name, note, keys, threshold) for name, note in candidates.items() for threshold in (1, 2)]
    cases += [("a broken key", good, [vkey], 1) for vkey in broken]
    cases += [("two keys of one name and id", good, [*keys, *same_id()], 1), ("a key twice", good, [*keys, *keys], 1)]
    return [
        {
            "name": f"{name}, {threshold} needed",
            "note": note,
            "vkeys": vkeys,
            "threshold": threshold,
            "text": text,
            "expected": code_of(opened, note, vkeys, threshold),
        }
        for name, note, vkeys, threshold in cases
    ]


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
    cases += [
        ("intake", "good", intake, IntakeList.read),
        ("intake", "a name with a scheme", intake.replace("registry.test", "https://registry.test"), IntakeList.read),
    ]
    return [
        {"kind": kind, "name": f"{kind} {name}", "text": text, "expected": code_of(read, text)}
        for kind, name, text, read in cases
    ]


def values() -> list[dict[str, str]]:
    """Characters that look like what they are, and some that do not; U+13439 has a meaning only in later Unicodes."""
    kind = StatementType("checkin/words/v1", Field("words"))
    texts = [f"checkin/words/v1\nwords none{char}\n" for char in "x김…\u200b\u202e\u2028\u0378\U00013439\U0001fffe"]
    return [{"text": text, "expected": code_of(kind.read, text)} for text in texts]


def calendars() -> list[dict[str, Any]]:
    """Days of zones that skip midnight, live through it twice, or lie far from it."""
    places = {
        "Asia/Seoul": [20777],
        "America/Sao_Paulo": [17838, 17839, 17943, 17944],  # skipped midnight in November 2018, twice in February 2019
        "Asia/Beirut": [20539, 20540],
        "Europe/Berlin": [20541, 20751, 20752],  # 25 October 2026 has 25 hours
        "Australia/Lord_Howe": [20548, 20730],  # moves by half an hour
        "Pacific/Apia": [15337, 15338, 20777],  # had no 30 December 2011
        "America/St_Johns": [20777],
        "Asia/Kathmandu": [20777],
        "Pacific/Kiritimati": [20777],
    }
    made = []
    for zone, days in places.items():
        calendar = Calendar(zone)
        for day in days:
            start = int(calendar.start(day))
            instants = [start - 1, start, start + 3599, start + 3600, start + 86399, start + 86400, start + 90000]
            made.append(
                {
                    "zone": zone,
                    "day": day,
                    "start": start,
                    "labels": calendar.hour_labels(day),
                    "instants": [{"at": instant, "day": calendar.day(instant)} for instant in instants],
                }
            )
    return made
