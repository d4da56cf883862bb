"""Keys stay out of core dumps and swap, or the operator is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from checkin.keys import hardening

SCRIPT = """
import json, resource
from checkin.keys.hardening import harden
warnings = harden()
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
print(json.dumps([warnings, resource.getrlimit(resource.RLIMIT_CORE), status["VmLck"].split()[0]]))
import os; os.abort()
"""


def test_a_hardened_process_leaves_no_core_and_has_locked_its_memory_or_says_why_not(tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False)
    warnings, core, locked = json.loads(run.stdout)
    swaps = Path("/proc/swaps").read_text().splitlines()[1:]
    assert run.returncode < 0 and core == [0, 0] and list(tmp_path.iterdir()) == []
    assert bool(warnings) == (bool(swaps) and locked == "0")


def proc(folder: Path, capabilities: int, swaps: int) -> Path:
    (folder / "self").mkdir()
    (folder / "self/status").write_text(f"Name:\tx\nCapEff:\t{capabilities:016x}\n")
    (folder / "swaps").write_text("Filename Type\n" + "/dev/sdb partition\n" * swaps)
    return folder


class Refusing:
    """A C library that permits nothing."""

    def prctl(self, *_: int) -> int:
        return -1

    def mlockall(self, _: int) -> int:
        return -1


@pytest.fixture
def powerless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ctypes.CDLL", lambda *_, **__: Refusing())
    monkeypatch.setattr("resource.setrlimit", lambda *_: None)
    monkeypatch.setattr("resource.getrlimit", lambda _: (65536, 65536))


@pytest.mark.usefixtures("powerless")
@pytest.mark.parametrize("capabilities", [0, 1 << 14])
def test_swap_without_locked_memory_is_a_warning_and_never_an_end(tmp_path: Path, capabilities: int) -> None:
    warnings = hardening.harden(proc(tmp_path, capabilities, swaps=1))
    assert len(warnings) == 2 and "debuggers" in warnings[0] and "swap" in warnings[1]


@pytest.mark.usefixtures("powerless")
def test_without_swap_unlocked_memory_is_no_reason_to_warn(tmp_path: Path) -> None:
    assert len(hardening.harden(proc(tmp_path, 0, swaps=0))) == 1


@pytest.mark.usefixtures("powerless")
def test_another_system_says_that_nothing_is_guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    assert "swap" in hardening.harden()[0]
