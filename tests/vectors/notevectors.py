"""Signed notes, the values of statements and signed times, good and bad, for `make.py`: each judged by Python."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from checkin.audit.point import AUDIT
from checkin.protocol.note import ED25519, NoteSigner, NoteVerifier, key_id, open_note, sign_note, write_vkey
from checkin.protocol.primitives import SigningKey, sha256
from checkin.protocol.signed_time import TIME_STATEMENT, read_time
from checkin.protocol.statement import CLOCK, StatementType, clock_value
from checkin.purge.statement_store import PURGE_REPORT
from tests.vectors.material import CALENDAR, NOON, ODD_KEYS, code_of, loosened

MET = (34369, 88483)  # keys of SHA-256 of these, u32be, have one id under the name a.test/x


def notes_file() -> dict[str, Any]:
    """`notes.json`."""
    return {"spec": "docs/spec/notes.md", "cases": notes(), "values": values(), "statements": list(statements())}


def opened(note: str, vkeys: list[str], threshold: int) -> None:
    """Raises what opening the note under these verifier keys raises."""
    open_note(note, [NoteVerifier.parse(vkey) for vkey in vkeys], threshold)


def same_id() -> list[str]:
    """Two verifier keys of one name and id: the id has four bytes, and these were the first of which two met."""
    pair = [SigningKey(sha256(number.to_bytes(4, "big"))).public for number in MET]
    assert len({key_id("a.test/x", ED25519, public) for public in pair}) == 1
    return [write_vkey("a.test/x", ED25519, public) for public in pair]


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


def values() -> list[dict[str, str]]:
    """Characters that look like what they are, and some that do not; U+13439 has a meaning only in later Unicodes."""
    kind = StatementType("checkin/words/v1", "words")
    texts = [f"checkin/words/v1\nwords none{char}\n" for char in "x김…\u200b\u202e\u2028\u0378\U00013439\U0001fffe"]
    return [{"text": text, "expected": code_of(kind.read, text)} for text in texts]


def statements() -> Iterator[dict[str, str]]:
    """What a day's end and an audit state, with a line less, more, or in another place."""
    point = "pass oldest-day a.test The oldest day held is 2026-11-20."
    several = {"self-audit": ["a.test 1", "b.test 2"], "point": [point, point.replace("a.test", "b.test")]}
    for kind in (PURGE_REPORT, AUDIT):
        names = [field.name for field in kind.fields if field is not CLOCK]
        values: dict[str, str | list[str]] = {name: several.get(name, f"value of {name}") for name in names}
        text = kind.write(values)
        first, *lines = text.splitlines()
        texts = {
            "the complete example": text,
            "under a simulated clock": kind.write({**values, **clock_value(simulated=True)}),
            "a word of another clock": text + "clock real\n",
            "a field more": text + "later 1\n",
            "no newline at the end": text[:-1],
            "another kind": text.replace("/v1", "/v2"),
            "nothing": "",
        }
        for at, line in enumerate(lines):
            others = [*lines[:at], *lines[at + 1 :]]
            texts |= {f"without line {at}": _lines(first, *others), f"line {at} last": _lines(first, *others, line)}
            texts[f"line {at} twice"] = _lines(first, *lines[:at], line, *lines[at:])
        if kind is AUDIT:
            texts["no self-audits"] = kind.write({**values, "self-audit": []})
            texts["no points"] = _lines(first, *(line for line in lines if not line.startswith("point ")))
        for name, written in texts.items():
            expected = code_of(kind.read, written)
            yield {"name": f"{first}: {name}", "kind": kind.kind, "text": written, "expected": expected}


def _lines(*lines: str) -> str:
    return "".join(f"{line}\n" for line in lines)


def time_file() -> dict[str, Any]:
    """`time.json`: the answers to a nonce, under the key of registry.test."""
    return {"spec": "docs/spec/labels.md", "vkey": _CLOCK.verifier.vkey, "nonce": _NONCE, "cases": list(_times())}


_CLOCK, _OTHER = NoteSigner("registry.test", SigningKey(b"\x01" * 32)), NoteSigner("a.test", SigningKey(b"\x01" * 32))
_THIEF = NoteSigner("registry.test", SigningKey(b"\x03" * 32))
_NONCE = "AAECAwQFBgcICQoLDA0ODw"


def _told(signer: NoteSigner = _CLOCK, **changes: str) -> str:
    values = {"service": "registry.test", "nonce": _NONCE, "time": CALENDAR.rfc3339(NOON)} | changes
    return sign_note(TIME_STATEMENT.write(values), signer)


def _times() -> Iterator[dict[str, Any]]:
    good = _told()
    notes = {
        "the complete example": good,
        "under a simulated clock": _told(clock="simulated"),
        "in UTC": _told(time="2026-11-20T03:00:00Z"),
        "behind UTC": _told(time="2026-11-19T23:30:00-03:30"),
        "a stranger signed too": good + _OTHER.sign("kind\n"),
        "a word of another clock": sign_note(TIME_STATEMENT.write({"service": "registry.test", "nonce": _NONCE,
            "time": CALENDAR.rfc3339(NOON)}) + "clock real\n", _CLOCK),
        "another nonce": _told(nonce="A" * 22),
        "another service's name": _told(service="a.test"),
        "another's key under this name": _told(_THIEF),
        "signed by another service": _told(_OTHER, service="a.test"),
        "without an offset": _told(time="2026-11-20T12:00:00"),
        "with a fraction": _told(time="2026-11-20T12:00:00.5+09:00"),
        "to the minute": _told(time="2026-11-20T12:00+09:00"),
        "a day alone": _told(time="2026-11-20"),
        "a space in the middle": _told(time="2026-11-20 12:00:00+09:00"),
        "no separators": _told(time="20261120T120000+0900"),
        "a week's day": _told(time="2026-W47-5T12:00:00+09:00"),
        "as mail writes it": _told(time="Fri, 20 Nov 2026 03:00:00 GMT"),
        "no such day": _told(time="2026-11-31T12:00:00+09:00"),
        "the hour 24": _told(time="2026-11-20T24:00:00+09:00"),
        "no such offset": _told(time="2026-11-20T12:00:00+24:00"),
        "no such hour": _told(time="2026-11-20T24:30:00+09:00"),
        "seconds since 1970": _told(time=str(NOON)),
        "another kind": good.replace("checkin/time/v1", "checkin/times/v1"),
        "changed": good.replace("T12:", "T13:"),
        "another kind, signed": sign_note(TIME_STATEMENT.write(
            {"service": "registry.test", "nonce": _NONCE, "time": "now"}).replace("time/v1", "thyme/v1"), _CLOCK),
        "a field less": sign_note(f"checkin/time/v1\nservice registry.test\nnonce {_NONCE}\n", _CLOCK),
        "not signed": good.rpartition("\n\n")[0] + "\n",
        "empty": "",
    }  # fmt: skip
    for name, note in notes.items():
        expected = code_of(read_time, note, _CLOCK.verifier, _NONCE)
        time = int(read_time(note, _CLOCK.verifier, _NONCE)) if expected == "ok" else None
        yield {"name": name, "note": note, "expected": expected, "time": time}
