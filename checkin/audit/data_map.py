"""The declared data map: every file, table and column that a service keeps, and why, how fine, until when.

Each service has one, `data_map.toml` in its package, and docs/data-map.md shows them all. The service's audit holds
what is on its disk against it (docs/spec/audit.md §5). Form:

    service = "issuer"

    [[database]]
    path = "ledger/day-*.db"        # below the data folder; * is any name, ** also slashes
    why = "…"
    [database.tables.rows]
    key = { why = "…", grain = "none", until = "…", form = "16 bytes" }

    [[file]]
    path = "clock.json"
    why = "…"
    grain = "second"
    until = "…"
    in = "data"                     # or "keys", the key ring's folder

`in = "engine"` for tables that are in PostgreSQL alone. `optional = true` for what is made when it is first needed.
`personal = true` for a file that may hold a phone.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from checkin.errors import CheckinError, SettingsInvalid
from checkin.files.database import DATABASES, shape_of, values_of
from checkin.protocol.note import split_note
from checkin.tlog.proof import LogProof

SAMPLE_ROWS: Final = 2000
FREE_ROWS: Final = 1_000_000
Shape = Mapping[str, Sequence[str]]
"""Names of columns by table."""
Words = Annotated[str, Field(min_length=1)]
Grain = Literal["none", "day", "hour", "minute", "second"]
_ENGINE: Final = "engine"
_DATABASE: Final = f"({'|'.join(map(re.escape, DATABASES))})$"
_SIDECARS: Final = ("-wal", "-shm", "-journal")


def _matches(pattern: str) -> Callable[[object], bool]:
    compiled = re.compile(pattern, re.ASCII)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def _reads(value: object, read: Callable[[str], object]) -> bool:
    """Whether it is a text that `read` takes."""
    with suppress(CheckinError):
        return isinstance(value, str) and bool(read(value))
    return False


def _up_to(high: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and 0 <= value <= high


def _sized(size: int) -> Callable[[object], bool]:
    return lambda value: isinstance(value, bytes) and len(value) == size


FORMS: Final[dict[str, Callable[[object], bool]]] = {
    "flag": _up_to(1),
    "number": _up_to(2**63 - 1),
    "day": _up_to(0xFFFF),
    "bucket": _up_to(24),
    "unix": _up_to(2**40),
    "sealed": lambda value: isinstance(value, bytes) and (not value or len(value) >= 16),
    **{f"{size} bytes": _sized(size) for size in (4, 8, 12, 16, 32)},
    "id": _matches(r"[0-9a-f]{16}"),
    "sha256": _matches(r"([0-9a-f]{64})?"),
    "base64": _matches(r"[A-Za-z0-9+/_=-]*"),
    "date": _matches(r"(\d{4}-\d{2}-\d{2})?"),
    "key name": _matches(r"([a-z]+-\d{1,10})?"),
    "listed key": _matches(r"([0-9a-f]{8} )?[A-Za-z0-9+/]{43}=( [0-9a-f]{64})?"),
    "code": _matches(r"[a-z_]*"),
    "result": _matches(r"pass|fail|not-run"),
    "slug": _matches(r"[a-z0-9][a-z0-9./:@-]*"),
    "origin": _matches(r"[^\x00-\x1f]{1,1000}"),
    "statuses": _matches(r"\[([1-3](, [1-3])*)?\]"),
    "view": lambda _: True,
    "note": lambda value: _reads(value, split_note),
    "proof": lambda value: value == "" or _reads(value, LogProof.read),
    "entry": lambda value: isinstance(value, bytes) and _reads(value.decode(errors="replace"), split_note),
    "words": lambda value: isinstance(value, str),
}
"""What a column may hold. `words` is free text; the map says where there is any."""


def _known_form(form: str) -> str:
    """Raises `ValueError` for one that is not among `FORMS`."""
    if form not in FORMS:
        raise ValueError("there is no such form")
    return form


class Gap(NamedTuple):
    """Where disk and map differ: the file (below its folder), the table and column or '', and what is wrong."""

    path: str
    place: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}{' ' + self.place if self.place else ''}: {self.reason}"


class _Declared(BaseModel):
    """A part of a map: nothing is left open, and nothing else is said."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class MapColumn(_Declared):
    """A column: its reason, the finest time in it, until when it lives, its form."""

    why: Words
    grain: Grain
    until: Words
    form: Annotated[str, AfterValidator(_known_form)]


class MapPlace(_Declared):
    """A file, or all of a pattern. `tables` of a database: columns by table."""

    path: str
    why: Words
    folder: Annotated[Literal["data", "keys", "engine"], Field(alias="in")] = "data"
    optional: bool = False
    personal: bool = False
    tables: dict[str, dict[str, MapColumn]] = {}

    def holds(self, path: str) -> bool:
        """Whether a file, by its path below the folder, is this one; a database's log and its index belong to it, also
        while it is being made under another name."""
        database = self.tables or self.path.endswith(".new")
        names = [path, *(path.removesuffix(suffix) for suffix in _SIDECARS if database)]
        return any(_glob(self.path).fullmatch(name) for name in names)


class MapDatabase(MapPlace):
    """A file with tables, or tables in the engine."""

    path: Annotated[str, Field(pattern=_DATABASE)]
    tables: dict[str, dict[str, MapColumn]]


class MapFile(MapPlace):
    """A file of another form: the finest time in it, until when it lives."""

    grain: Grain
    until: Words


class DataMap(_Declared):
    """One service's map."""

    service: str
    database: list[MapDatabase] = []
    file: list[MapFile] = []

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises `SettingsInvalid` for a file of another form."""
        try:
            return cls.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise SettingsInvalid(f"The data map {path.name} cannot be read: {error}") from None

    @property
    def places(self) -> list[MapPlace]:
        return [*self.database, *self.file]

    def databases(self) -> list[MapDatabase]:
        """The files with tables."""
        return [place for place in self.database if place.folder != _ENGINE]

    def of(self, folder: str, path: str) -> MapPlace | None:
        """What a file is, by its path below the folder (`data` or `keys`)."""
        return next((place for place in self.places if place.folder == folder and place.holds(path)), None)

    def gaps(self, data: Path, keys: Path | None = None, engine: Shape | None = None) -> Iterator[Gap]:
        """Every difference between the folders and the map; empty when there is none. `engine`: what tables the engine
        has, where they lie in one and not in `data`."""
        for folder, root in (("data", data), ("keys", keys)):
            if root is None:
                continue
            files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
            yield from (Gap(path, "", "the file is not declared") for path in files if not self.of(folder, path))
            for place in self.places:
                if place.folder == folder and (engine is None or not _moves(place)):
                    yield from _place_gaps(place, root, files)
        if engine is not None:
            yield from self._engine_gaps(engine)

    def _engine_gaps(self, engine: Shape) -> Iterator[Gap]:
        declared = {table: columns for place in self.places if _moves(place) for table, columns in place.tables.items()}
        strange = sorted(engine.keys() - declared.keys())
        yield from (Gap(_ENGINE, table, "the table is not declared") for table in strange)
        for table, columns in declared.items():
            yield from _column_gaps(_ENGINE, table, columns, engine.get(table))

    def columns_with(self, data: Path, is_strange: Callable[[str], bool]) -> Iterator[str]:
        """Columns of free text in which some value is strange, as `venue.db venues.name`."""
        for place in self.databases():
            for file in sorted(data.rglob("*")):
                path = file.relative_to(data).as_posix()
                if place.folder == "data" and _glob(place.path).fullmatch(path):
                    yield from (f"{path} {column}" for column in _strange_columns(place, file, is_strange))


def _place_gaps(place: MapPlace, root: Path, files: list[str]) -> Iterator[Gap]:
    found = [path for path in files if _glob(place.path).fullmatch(path)]
    if not found and not place.optional and "*" not in place.path:
        yield Gap(place.path, "", "declared and not there")
    for path in found if place.tables else []:
        try:
            yield from _database_gaps(place, root, path)
        except CheckinError as error:
            if (root / path).exists():  # a day may be destroyed while it is looked at
                yield Gap(path, "", error.detail)


def _database_gaps(place: MapPlace, root: Path, path: str) -> Iterator[Gap]:
    shape = shape_of(root / path)
    for table in sorted(shape.keys() - place.tables.keys()):
        yield Gap(path, table, "the table is not declared")
    for table, columns in place.tables.items():
        there = shape.get(table)
        yield from _column_gaps(path, table, columns, there)
        if there is not None:
            yield from _form_gaps(columns, there, root / path, path, table)


def _column_gaps(path: str, table: str, columns: Mapping[str, MapColumn], there: Sequence[str] | None) -> Iterator[Gap]:
    if there is None:
        yield Gap(path, table, "declared and not there")
        return
    yield from (Gap(path, f"{table}.{name}", "not declared") for name in there if name not in columns)
    yield from (Gap(path, f"{table}.{name}", "declared and not there") for name in columns if name not in there)


def _moves(place: MapPlace) -> bool:
    """Whether its tables lie in the engine, where there is one: all but those of days, which have one of their own."""
    return place.folder in ("data", _ENGINE) and bool(place.tables) and "*" not in place.path


def _strange_columns(place: MapPlace, file: Path, is_strange: Callable[[str], bool]) -> Iterator[str]:
    there = shape_of(file)
    for table, columns in place.tables.items():
        free = [name for name, entry in columns.items() if entry.form == "words" and name in there.get(table, ())]
        found = set()
        for row in values_of(file, table, FREE_ROWS) if free else ():
            values = dict(zip(there[table], row, strict=True))
            found |= {name for name in free if isinstance(values[name], str) and is_strange(str(values[name]))}
        yield from (f"{table}.{name}" for name in sorted(found))


def _form_gaps(
    columns: dict[str, MapColumn], names: tuple[str, ...], file: Path, path: str, table: str
) -> Iterator[Gap]:
    """Columns with a value of another form, in the first rows of a table."""
    forms = {at: columns[name].form for at, name in enumerate(names) if name in columns}
    if all(form == "view" for form in forms.values()):
        return
    strange: set[int] = set()
    for row in values_of(file, table, SAMPLE_ROWS):
        strange |= {at for at, form in forms.items() if row[at] is not None and not FORMS[form](row[at])}
    for at in sorted(strange):
        yield Gap(path, f"{table}.{names[at]}", f"a value is not of the form {forms[at]!r}")


@cache
def _glob(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"(\*\*|\*)", pattern)
    return re.compile("".join({"**": ".*", "*": "[^/]*"}.get(part, re.escape(part)) for part in parts))
