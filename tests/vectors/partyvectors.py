"""What a party makes of its clocks and of an operator's code, written down by hand: Python and the pages have both."""

from __future__ import annotations

import json
from typing import Any, Final

W: Final = 1_800_000_000
"""The machine's clock when a story begins, and 5,000 seconds after its start."""
Case = dict[str, Any]


def at(wall: float = 0, steady: float = 0, start: str = "one", **does: Any) -> Case:
    """A moment: seconds by each clock since the story began; `told`, `asked`: by how many seconds after W."""
    does |= {name: W + does[name] for name in ("told", "asked") if name in does}
    return {"wall": W + wall, "steady": 5000 + steady, "start": start, **does}


def story(name: str, *moments: tuple[Case, float, bool], page: list[tuple[float, bool]] | None = None) -> Case:
    """Moments, each with by how many seconds the clock is ahead then and whether that is sure; `page`: where a page
    answers otherwise."""
    moves = [move for move, *_ in moments]

    def seen(answers: list[tuple[float, bool]]) -> list[Case]:
        return [
            {"now": move["wall"] - off, "off": off, "proved": sure}
            for move, (off, sure) in zip(moves, answers, strict=True)
        ]

    expected = seen([(off, sure) for _, off, sure in moments])
    return {"name": name, "moves": moves, "expected": expected} | ({"page": seen(page)} if page else {})


HEARD: Final = (at(told=0, asked=0), 0, True)
AHEAD: Final = (at(told=-600, asked=0), 599, True)
ANEW: Final[Case] = {"opened": True}
AWAY: Final[Case] = {"hidden": True}
STORIES: Final = [
    story("never told", (at(), 0, False), (at(3600, 10), 0, False)),
    story("told, and right", HEARD, (at(3600, 3600), 0, True)),
    story("ahead, but for the cut second", AHEAD, (at(60, 60), 599, True)),
    story("behind", (at(told=600, asked=0), -600, True), (at(60, 60), -600, True)),
    story("ahead by no more than the cut second", (at(told=-1, asked=0), 0, True)),
    story("ahead by half a second more", (at(told=-1.5, asked=0), 0.5, True)),
    story("a slow answer to a clock that may be right", (at(8, 8, told=4, asked=0), 0, True)),
    story("a slow answer that shows it ahead", (at(8, 8, told=-3, asked=0), 2, True)),
    story("a slow answer that shows it behind", (at(8, 8, told=10, asked=0), -2, True)),
    story("told again, the newest counts", AHEAD, (at(-540, 60, told=-540, asked=-540), 0, True)),
    story("set forward", HEARD, (at(3660, 60), 3600, True)),
    story("set back", HEARD, (at(-3540, 60), -3600, True)),
    story("set right", AHEAD, (at(-539, 60), 0, True)),
    story("set, and told again", HEARD, (at(3660, 60, told=60, asked=3660), 3599, True), (at(3720, 120), 3599, True)),
    story("the clocks drift apart", HEARD, (at(65, 60), 0, True), (at(55, 60), 0, True)),
    story("no drift any more", HEARD, (at(65.5, 60), 5.5, True), (at(54.5, 60), -5.5, True)),
    story(
        "started anew",
        AHEAD, (at(60, -4990, "two"), 599, False), (at(120, -4930, "two", told=120, asked=120), 0, True),
    ),
    story("started anew, and back in time", AHEAD, (at(-3600, -4990, "two"), 599, False)),
    story("no id of a start", (at(start="", told=-600, asked=0), 599, True), (at(60, 60, ""), 599, True)),
    story(
        "no id of a start, and set: it may have been started anew",
        (at(start="", told=0, asked=0), 0, True), (at(3660, 60, ""), 0, False),
        page=[(0, True), (3600, True)],
    ),
    story(
        "a page opened anew knows of no clock how it stood",
        AHEAD, (at(60, 60, **ANEW), 599, True), (at(3720, 120), 4199, True),
        page=[(599, True), (599, False), (599, False)],
    ),
    story("out of sight, and no sleep", HEARD, (at(60, 60, **AWAY), 0, True), (at(3600, 3600), 0, True)),
    story(
        "out of sight, a page may have slept",
        HEARD, (at(60, 60, **AWAY), 0, True), (at(3660, 60), 3600, True),
        (at(3720, 120, told=3720, asked=3720), 0, True),
        page=[(0, True), (0, True), (0, False), (0, True)],
    ),
    story(
        "told while it is out of sight",
        (at(told=0, asked=0, **AWAY), 0, True), (at(3660, 60), 3600, True),
        page=[(0, True), (0, False)],
    ),
    story("seen again when it is told", (at(**AWAY), 0, False), HEARD, (at(3660, 60), 3600, True)),
    story(
        "out of sight and set back: no sleep does that",
        HEARD, (at(60, 60, **AWAY), 0, True), (at(-3540, 60), -3600, True),
    ),
    story("out of sight, and drift", HEARD, (at(65, 60, **AWAY), 0, True)),
]  # fmt: skip


def told_time_file() -> dict[str, Any]:
    """`toldtime.json`."""
    return {"spec": "docs/spec/scanner.md", "cases": STORIES}


GOOD: Final = {"venue_id": "9bfa3cd9ae39593d", "scanner_id": "803b84df3505710a", "scanner_token": "A-Za.z0~9_+/=k3m"}
MALFORMED: Final = "enrolment_malformed"


def enrolment_file() -> dict[str, Any]:
    """`enrolment.json`: `device` is what is read; a label is for the page alone."""

    def code(**changes: Any) -> str:
        return json.dumps(GOOD | changes)

    def without(name: str) -> str:
        return json.dumps({key: value for key, value in GOOD.items() if key != name})

    good: dict[str, tuple[str, Case]] = {
        "the complete example": (code(label="north gate"), GOOD | {"label": "north gate"}),
        "without a label": (code(), GOOD),
        "a label of 80 characters": (code(label="n" * 80), GOOD | {"label": "n" * 80}),
        "a label that is cut": (code(label="n" * 81), GOOD | {"label": "n" * 80}),
        "a number for a label": (code(label=5), GOOD),
        "no label": (code(label=None), GOOD),
        "a member that a later version adds": (code(later={"a": [1]}), GOOD),
        "the shortest token": (code(scanner_token="a" * 16), GOOD | {"scanner_token": "a" * 16}),
        "the longest token": (code(scanner_token="a" * 256), GOOD | {"scanner_token": "a" * 256}),
        "a member twice": ('{"venue_id":"x",' + code()[1:], GOOD),
        "in lines": (json.dumps(GOOD, indent=1) + "\n", GOOD),
    }
    bad = {
        **{f"no {name}": without(name) for name in GOOD},
        **{f"null for {name}": code(**{name: None}) for name in GOOD},
        **{f"{name} in a list": code(**{name: [GOOD[name]]}) for name in GOOD},
        **{f"{name} with a line's end": code(**{name: GOOD[name] + "\n"}) for name in GOOD},
        **{f"a number for {name}": code(**{name: 1234567890123456}) for name in GOOD},
        **{f"{name} too short": code(**{name: GOOD[name][1:]}) for name in GOOD},
        **{f"{name} too long": code(**{name: GOOD[name] * 17}) for name in GOOD},
        "an id of 17 digits": code(venue_id=GOOD["venue_id"] + "0"),
        "an id in capitals": code(scanner_id=GOOD["scanner_id"].upper()),
        "an id with a letter beyond f": code(venue_id="g" * 16),
        "other digits": code(scanner_id="\u0661" * 16),
        "a token of 257 characters": code(scanner_token="a" * 257),
        "a token with a space": code(scanner_token="a " * 20),
        "a token with a letter of another script": code(scanner_token="\u00e4" * 20),
        "a number that JSON does not have": code(later=float("nan")),
        "a check-in code": "CK1:",
        "cut off": code()[:-1],
        "more after it": code() + "{}",
        "a mark of byte order before it": "\ufeff" + code(),
        "in a list": f"[{code()}]",
        "as a text": json.dumps(code()),
        "null": "null",
        "nothing": "",
    }
    cases: list[Case] = [
        {"name": name, "code": text, "expected": "ok", "device": {"label": ""} | device}
        for name, (text, device) in good.items()
    ]
    cases += [{"name": name, "code": text, "expected": MALFORMED, "device": None} for name, text in bad.items()]
    return {"spec": "docs/spec/scanner.md", "cases": cases}
