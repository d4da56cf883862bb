"""Statements: the text of a signed note as fixed lines, which a person can read and a program cannot misread.

The first line is the kind, then one `name value` line a field, in the order in which the kind declares them.
Reading is the exact inverse of writing. `docs/spec/notes.md` §2.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from checkin.errors import NoteMalformed
from checkin.protocol.note import MAX_NOTE

_KIND: Final = re.compile(r"[a-z0-9]([a-z0-9 ./@-]*[a-z0-9])?")
_NAME: Final = re.compile(r"[a-z][a-z0-9-]*")
# Control, format (bidirectional overrides, zero-width), surrogate, line and paragraph separator: what is signed
# must look to a reader like what it is. Unassigned: what a later Unicode calls format is so for every reader.
_DECEPTIVE: Final = frozenset({"Cc", "Cf", "Cn", "Cs", "Zl", "Zp"})

Values = dict[str, str | list[str]]


@dataclass(frozen=True)
class Field:
    """A line of a statement. `repeated`: any number of lines, at least one unless `optional`. `only`: the one value."""

    name: str
    repeated: bool = False
    optional: bool = False
    only: str | None = None


SIMULATED: Final = "simulated"
# SPEC notes.md §2: "a `clock` line says `simulated` and nothing else"
CLOCK: Final = Field("clock", optional=True, only=SIMULATED)
"""The line of a statement that was made under a simulated clock: a real service refuses it."""


def clock_value(*, simulated: bool) -> dict[str, str]:
    """What `CLOCK` adds to a statement's values."""
    return {CLOCK.name: SIMULATED} if simulated else {}


def _check_value(value: str) -> None:
    plain = value.isprintable() if value.isascii() else _DECEPTIVE.isdisjoint(map(unicodedata.category, value))
    if not value or value != value.strip(" ") or not plain:
        raise NoteMalformed("A value is not empty, has no space at its ends, and no invisible characters.")


class StatementType:
    """A kind of statement and its fields in order; the name alone stands for a field that is there once.

    `ValueError` for a kind or names that cannot be written."""

    def __init__(self, kind: str, *fields: Field | str) -> None:
        self.fields = tuple(Field(field) if isinstance(field, str) else field for field in fields)
        names = [field.name for field in self.fields]
        if not _KIND.fullmatch(kind) or not all(map(_NAME.fullmatch, names)) or len(set(names)) != len(names):
            raise ValueError("a statement has a kind and different names")
        self.kind = kind

    def write(self, values: Mapping[str, str | Sequence[str]]) -> str:
        """The text, ready for `sign_note`; raises `NoteMalformed` for values that are missing, unknown or unfit."""
        if not values.keys() <= {field.name for field in self.fields}:
            raise NoteMalformed(f"A statement of kind {self.kind} does not have such a field.")
        lines = [self.kind]
        for field in self.fields:
            for value in _values_of(field, values):
                _check_value(value)
                lines.append(f"{field.name} {value}")
        text = "\n".join(lines) + "\n"
        if len(text.encode()) > MAX_NOTE:
            raise NoteMalformed("A statement has at most 1 MiB.")
        return text

    def read(self, text: str) -> Values:
        """The values by field name: a list for each repeated field (maybe empty), nothing for an absent optional one.

        Raises `NoteMalformed` for any text that `write` would not have made.
        """
        kind, *lines = text.split("\n")
        if kind != self.kind or not lines or lines.pop():
            raise NoteMalformed(f"The text is not a statement of kind {self.kind}.")
        values: Values = {field.name: [] for field in self.fields if field.repeated}
        for line in lines:
            name, _, value = line.partition(" ")
            several = values.get(name)
            if isinstance(several, list):
                several.append(value)
            else:
                values[name] = value
        if self.write(values) != text:
            raise NoteMalformed(f"The lines are not those of a statement of kind {self.kind}, in their order.")
        return values


def _values_of(field: Field, values: Mapping[str, str | Sequence[str]]) -> Sequence[str]:
    value = values.get(field.name, ())
    if field.repeated and isinstance(value, str):
        raise NoteMalformed(f"The field {field.name} takes a list.")
    if not field.repeated and not isinstance(value, str) and value:
        raise NoteMalformed(f"The field {field.name} takes one value.")
    several = (value,) if isinstance(value, str) else value
    if field.only is not None and any(one != field.only for one in several):
        raise NoteMalformed(f"The field {field.name} says {field.only}, or is not there.")
    if not several and not field.optional:
        raise NoteMalformed(f"The field {field.name} is missing.")
    return several


def kind_of(text: str) -> str:
    """The first line: which kind to read the text as."""
    return text.partition("\n")[0]


def one(values: Mapping[str, str | list[str]], name: str) -> str:
    """The value of a field that is not repeated; raises `NoteMalformed` when it is absent."""
    value = values.get(name)
    if not isinstance(value, str):
        raise NoteMalformed(f"The field {name} is missing.")
    return value


def many(values: Mapping[str, str | list[str]], name: str) -> list[str]:
    """The values of a repeated field; raises `NoteMalformed` when it is none."""
    value = values.get(name)
    if not isinstance(value, list):
        raise NoteMalformed(f"The field {name} is not a list.")
    return value
