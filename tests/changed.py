"""Runs tests with one module changed in memory: no file is written, and nobody else sees the change.

The libraries are loaded once; each run is a process forked from there, in which an import of the module yields the
changed syntax tree. Processes that a test starts see the module as it is. For the scripts beside this file.
"""

from __future__ import annotations

import ast
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest

ROOT: Final = Path(__file__).parent.parent
MOST_NAMED: Final = 3
TIMEOUT: Final = "(took too long)"
_LIBRARIES: Final = (
    "hypothesis", "fastapi", "uvicorn", "httpx", "cryptography.hazmat.primitives.hpke", "nacl.signing", "structlog",
    "prometheus_client", "sqlite_utils", "pydantic_settings", "typer", "cbor2",
)  # fmt: skip


@dataclass
class Change:
    """A module of the product, by its file, and what is imported in its place."""

    file: str
    tree: ast.Module

    @property
    def module(self) -> str:
        return self.file.removesuffix("/__init__.py").removesuffix(".py").replace("/", ".")


@dataclass(eq=False)
class _Failures:
    """A plugin of pytest that remembers what failed."""

    named: list[str] = field(default_factory=list)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.named.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.named.append(report.nodeid or "(collection)")


class _Loader(importlib.machinery.SourceFileLoader):
    """Compiles the changed tree."""

    def __init__(self, change: Change) -> None:
        super().__init__(change.module, str(ROOT / change.file))
        self._tree = change.tree

    def get_code(self, _: str) -> Any:
        return compile(ast.fix_missing_locations(self._tree), self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    """Found before every other."""

    def __init__(self, change: Change) -> None:
        self._change = change

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        if name != self._change.module:
            return None
        path = ROOT / self._change.file
        return importlib.util.spec_from_file_location(name, path, loader=_Loader(self._change))


def failing(tests: Sequence[str], change: Change | None, seconds: float, most: int = MOST_NAMED) -> list[str]:
    """The tests that fail, `most` at most; `TIMEOUT` when it takes longer. `SystemExit` when pytest does not run."""
    for library in _LIBRARIES:
        importlib.import_module(library)
    scratch = tempfile.mkdtemp()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _run(tests, change, most, scratch, writer)
    os.close(writer)
    try:
        answer = os.read(reader, 1 << 16) if select.select([reader], [], [], seconds)[0] else None
        os.close(reader)
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if answer is None:
            return [TIMEOUT]
        if not answer:
            raise SystemExit(f"pytest did not run: {(Path(scratch) / 'said').read_text()[-2000:]}")
        return [str(name) for name in json.loads(answer)]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _run(tests: Sequence[str], change: Change | None, most: int, scratch: str, writer: int) -> NoReturn:
    os.setsid()
    os.chdir(ROOT)
    said = os.open(f"{scratch}/said", os.O_WRONLY | os.O_CREAT)
    for descriptor in (1, 2):
        os.dup2(said, descriptor)
    try:
        if change:
            sys.meta_path.insert(0, _Finder(change))
        failures = _Failures()
        options = ["-q", f"--maxfail={most}", "-p", "no:cacheprovider", "--basetemp", f"{scratch}/t", "--tb=short",
                   "-W", "ignore::pytest.PytestAssertRewriteWarning"]  # fmt: skip
        ended = pytest.main([*options, *tests], plugins=[failures])
        known = ended in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
        if failures.named or known:
            os.write(writer, json.dumps(failures.named[:most]).encode())
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.kill(os.getpid(), signal.SIGKILL)  # threads that a failed test left behind keep nothing alive
    raise AssertionError
