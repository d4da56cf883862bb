"""`checkin bench`: what can be measured is listed, and run from a checkout; elsewhere a sentence says what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from checkin.cli.bench import _RUN, measurements
from checkin.errors import NotFound
from tests.support.commands import command


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command."""
    return command("bench", *arguments, patience=900)


def test_without_a_name_it_lists_what_can_be_measured_and_runs_nothing() -> None:
    """Every benchmark of the tests, each with a sentence of its own."""
    known = json.loads(bench("--json").stdout)
    files = Path(__file__).parent.glob("bench_*.py")
    assert known.keys() == {path.stem.removeprefix("bench_") for path in files}
    assert all(len(sentence) > 10 for sentence in known.values())
    listed = bench().stdout
    assert all(f"{name} " in listed for name in known)


def test_a_measurement_takes_its_own_options_and_reports_as_json() -> None:
    """The figures of a tiny vault."""
    done = bench("vault", "--rounds", "1", "--rows", "1000", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["figures"]["bytes a visit at rest"]["median"] > 200


def test_an_unknown_name_lists_the_known_ones() -> None:
    """One line, and nothing is run."""
    done = bench("speed")
    assert done.returncode == 1
    assert "vault" in done.stderr


def test_where_there_is_no_source_it_says_what_to_do(tmp_path: Path) -> None:
    """An installed package has no benchmarks."""
    with pytest.raises(NotFound, match="pip install -e"):
        measurements(tmp_path)


def test_what_a_measurement_logs_does_not_go_where_its_figures_go(tmp_path: Path) -> None:
    """With --json the figures are all that stands on standard output."""
    loud = "import json, structlog, sys; structlog.get_logger().warning('loud'); print(json.dumps(sys.argv[1:]))"
    (tmp_path / "loud.py").write_text(loud, encoding="utf-8")
    command = [sys.executable, "-c", _RUN, "loud", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == ["--json"]
    assert "loud" in done.stderr
