"""Fixed seeds are the rule; random ones, and more examples, come by request alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
from hypothesis import given, strategies as st
from tests.examples import examples

@examples(7)
@given(st.integers())
def test_probe(number):
    print("tried", number)
"""


def tried(folder: Path, *arguments: str) -> list[str]:
    """What a run of this project's configuration tries in a test that asks for seven examples."""
    root = Path(__file__).parent
    (folder / "test_probe.py").write_text(PROBE)
    (folder / "conftest.py").write_text((root / "conftest.py").read_text())
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-s",
        "-q",
        f"--rootdir={folder}",
        f"--config-file={root.parent}/pyproject.toml",
    ]
    done = subprocess.run(
        [*command, *arguments, str(folder)], cwd=root.parent, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("pytest -m explore" in done.stdout) != ("-m" in arguments), "the end of a run says how to try others"
    return [line for line in done.stdout.splitlines() if "tried" in line]


def test_a_run_tries_the_same_examples_each_time(tmp_path: Path) -> None:
    """Also where no variable says that it is CI."""
    assert len(first := tried(tmp_path)) <= 8
    assert tried(tmp_path) == first


@pytest.mark.parametrize("expression", ["explore", "explore and not skipif"])
def test_exploring_tries_others_and_many_more(tmp_path: Path, expression: str) -> None:
    """Of what Hypothesis drives, and of nothing else."""
    assert len(set(tried(tmp_path, "-m", expression))) > 50


def test_a_seed_by_choice_tries_others_as_many_and_again_the_same(tmp_path: Path) -> None:
    """For whole runs with seeds that nobody has tried."""
    chosen = tried(tmp_path, "--hypothesis-seed=28")
    assert len(chosen) <= 8
    assert chosen == tried(tmp_path, "--hypothesis-seed=28") != tried(tmp_path)
