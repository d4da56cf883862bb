"""A data folder that is older than the key ring is noticed at the next start, and named until a person confirms it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from checkin.files.tables import SqliteTables
from checkin.keys.generation import FILE, GENERATIONS, Generation, GenerationTable


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("data", "keys"):
        (tmp_path / name).mkdir()
    return tmp_path / "data", tmp_path / "keys"


def test_a_folder_that_is_left_alone_is_never_named(folders: tuple[Path, Path]) -> None:
    for day in ("2026-11-20", "2026-11-20", "2026-12-24"):
        generation = Generation(*folders)
        assert not generation.open(day)
        generation.advance(day)
        assert generation.restored == ""


def test_a_folder_that_was_put_back_is_named_until_it_is_confirmed(folders: tuple[Path, Path]) -> None:
    data, keys = folders
    Generation(data, keys).open("2026-11-20")
    shutil.copy(data / FILE, data / "copy")
    Generation(data, keys).advance("2026-11-21")
    shutil.move(data / "copy", data / FILE)
    assert Generation(data, keys).open("2026-11-21")
    for _ in range(2):
        assert Generation(data, keys).restored == "2026-11-20"
        assert not Generation(data, keys).open("2026-11-22")
        Generation(data, keys).advance("2026-11-22")
    Generation(data, keys).confirm()
    assert Generation(data, keys).restored == ""


@pytest.mark.parametrize("running", [True, False])
@pytest.mark.parametrize("lost", ["UPDATE generations SET number = 0, day = '2026-11-19'", "DELETE FROM generations"])
def test_a_database_that_was_put_back_alone_is_named_too(folders: tuple[Path, Path], lost: str, running: bool) -> None:
    """Of two machines over one database each by itself."""
    tables = SqliteTables(folders[0].parent, GENERATIONS)
    known = []
    for name in ("one", "two"):
        both = [folders[0].parent / f"{kind}-{name}" for kind in ("data", "keys")]
        for folder in both:
            folder.mkdir()
        known.append(Generation(both[0], both[1], GenerationTable(tables, name)))
    for generation in known:
        assert not generation.open("2026-11-20")
    tables.write(lambda commit: commit.execute(lost))
    for generation in known:
        generation.advance("2026-11-21") if running else generation.open("2026-11-21")
        assert generation.restored == ("2026-11-19" if "UPDATE" in lost else "unknown")
        generation.confirm()
        assert not generation.open("2026-11-21")
        assert generation.restored == ""
    tables.close()


def test_a_database_that_never_had_the_number_was_not_put_back(folders: tuple[Path, Path]) -> None:
    """As after an upgrade; a crash before the number stands in `keys` is no finding, either."""
    Generation(*folders).open("2026-11-20")
    tables = SqliteTables(folders[0].parent, GENERATIONS)
    generation = Generation(folders[0], folders[1], GenerationTable(tables, ""))
    assert not generation.open("2026-11-20")
    before = (folders[1] / FILE).read_bytes()
    generation.advance("2026-11-20")
    (folders[1] / FILE).write_bytes(before)
    assert not generation.open("2026-11-20")
    tables.close()


def test_a_crash_between_the_two_files_is_no_restored_folder(folders: tuple[Path, Path]) -> None:
    """Data are written first, so they are ahead."""
    data, keys = folders
    Generation(data, keys).open("2026-11-20")
    before = (keys / FILE).read_bytes()
    Generation(data, keys).advance("2026-11-20")
    (keys / FILE).write_bytes(before)
    assert not Generation(data, keys).open("2026-11-20")


@pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b'{"number": "x"}', None])
@pytest.mark.parametrize("which", [0, 1])
def test_a_lost_or_damaged_mark_is_named_too(folders: tuple[Path, Path], which: int, damage: bytes | None) -> None:
    """A new key ring beside old data, old data without a mark: nobody knows what ended since."""
    Generation(*folders).open("2026-11-20")
    path = folders[which] / FILE
    path.unlink() if damage is None else path.write_bytes(damage)
    assert Generation(*folders).open("2026-11-21")
    assert Generation(*folders).restored in ("2026-11-20", "unknown")
