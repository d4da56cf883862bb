"""Lines of audits and folders of evidence: what is accepted reads back as it was, and only our errors come out."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from checkin.audit.auditor import verify
from checkin.audit.evidence import VKEYS, Evidence, Pinned, report_file
from checkin.audit.point import MAX_EVIDENCE, Point, PointResult, plain
from checkin.errors import CheckinError, NoteMalformed
from tests.checkin.audit.evidence import Site
from tests.examples import examples

names = st.from_regex(r"[a-z][a-z-]{0,20}", fullmatch=True)
services = st.from_regex(r"[a-z0-9.:/-]{1,40}", fullmatch=True)


@given(name=names, service=services, result=st.sampled_from(PointResult), text=st.text(min_size=1))
def test_a_line_reads_back_as_it_was(name: str, service: str, result: PointResult, text: str) -> None:
    """Whatever was seen becomes printable ASCII of bounded length, and the line is the point."""
    evidence = plain(text) or "Nothing."
    assert len(evidence) <= MAX_EVIDENCE and evidence.replace("…", "").isascii()
    point = Point(name, service, result, evidence)
    assert Point.read(point.line()) == point


@given(st.text())
def test_any_other_line_is_refused_by_an_error_of_ours(line: str) -> None:
    """And one that is accepted is its own spelling."""
    with suppress(NoteMalformed):
        assert Point.read(line).line() == line


@given(st.text() | st.binary().map(lambda data: data.decode(errors="replace")))
def test_any_file_of_keys_is_read_or_refused(text: str) -> None:
    """Nothing but our errors."""
    with suppress(CheckinError):
        Pinned.read(text)


@given(st.text(max_size=60), st.text(max_size=30))
def test_a_reports_file_is_never_another_folders(service: str, day: str) -> None:
    """However a service is named."""
    name = report_file(service, day)
    assert "/" not in name and not name.startswith("..") and name.endswith(".txt")


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which nothing is wrong."""
    return Site.make(tmp_path_factory.mktemp("evidence") / "folder").write()


@examples(40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_content_of_any_file_makes_verifying_stumble(honest: Path, tmp_path: Path, data: st.DataObject) -> None:
    """Replaced, cut, doubled or emptied: it ends in a verdict with a fault, or in an error of ours. The keys are the
    auditor's own: doubled, or without one that is not needed, they are as good."""
    folder = tmp_path / "copy"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(honest, folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from(files))
    genuine = path.read_bytes()
    cut = data.draw(st.integers(0, len(genuine)))
    content = data.draw(st.sampled_from([b"", genuine[:cut], genuine + genuine, genuine[cut:], b"\xff" * cut]))
    path.write_bytes(content)
    with suppress(CheckinError):
        good = verify(Evidence.of_folder(folder)).ok
        assert not good or content == genuine or path.name == VKEYS
