"""docs/spec/audit.md says what the program does: example, points and columns are those that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import sqlite_utils

from checkin.audit import list_audit as listaudit
from checkin.audit import self_audit as selfaudit
from checkin.audit.evidence import Pinned, read_vkeys
from checkin.audit.point import AUDIT, SELF_AUDIT, PointResult, overall, points_of
from checkin.audit.words import POINTS
from checkin.errors import SettingsInvalid
from checkin.protocol.note import open_note
from retention import auditing
from retention import log_audit as logaudit
from retention.audits import Audit, Audits
from venue import lists

PAGE = Path(__file__).parents[3] / "docs" / "spec" / "audit.md"


def blocks(kind: str) -> list[str]:
    """The page's code blocks of a kind."""
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_example_verifies_under_its_keys() -> None:
    """Both notes, read strictly; the result is what its lines make it."""
    keys = Pinned.read(blocks("vkeys")[0]).notes
    own = SELF_AUDIT.read(open_note(blocks("self-audit")[0], keys).text)
    audit = AUDIT.read(open_note(blocks("audit")[0], keys).text)
    assert {point.result for point in points_of(own)} == {PointResult.PASS}
    assert audit["result"] == overall(points_of(audit)) == "fail"
    assert Audit.of(1740, blocks("audit")[0]).failed == 1


def test_a_fault_in_pinned_keys_names_the_file_that_was_given(tmp_path: Path) -> None:
    """Not the one that it would be called in a folder of evidence."""
    path = tmp_path / "from-the-parties.txt"
    path.write_text(blocks("vkeys")[0] + "no key\n", encoding="utf-8")
    with pytest.raises(SettingsInvalid, match=r"Line \d+ of from-the-parties\.txt is no verifier key"):
        read_vkeys(path)


def test_every_point_is_on_the_page_and_has_words_in_both_languages() -> None:
    """None that the program makes is left unexplained."""
    names = {getattr(selfaudit, name) for name in ("DATA_MAP", "PLAINTEXT", "OLDEST", "KEYS", "CLOSINGS", "ORDERS")}
    names |= {lists.KIDS, listaudit.GIVEN, listaudit.AGREE, selfaudit.TOKENS, auditing.ANSWERED, auditing.TEST_VISIT}
    names |= {"complete"}
    names |= {getattr(logaudit, name) for name in ("FILES", "CONTINUES", "LOGGED", "STATED", "MATCH", "AUTHORITY")}
    page = PAGE.read_text(encoding="utf-8")
    assert {name for name in names if f"`{name}`" not in page} == set()
    assert names == POINTS.keys()


def test_the_tables_are_those_of_the_page(tmp_path: Path) -> None:
    """Column by column."""

    Audits(tmp_path / "audits.db").close()
    page = PAGE.read_text(encoding="utf-8")
    with sqlite_utils.Database(tmp_path / "audits.db") as database:
        for table in database.tables:
            columns = ", ".join(f"`{column.name}`" for column in table.columns)
            assert f"| `{table.name}` | {columns} |" in page
