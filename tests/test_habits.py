"""The house rules that a machine checks: imports, style, types, layers."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ENGINES = ("checkin/vault/engines/", "checkin/files/")
PACKAGES = ("checkin", "issuer", "venue", "retention")


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """A tool of this environment, in the project's root."""
    return subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", [("ruff", "check", "."), ("mypy",)], ids=["ruff", "mypy"])
def test_the_code_is_clean(command: tuple[str, ...]) -> None:
    """Style and types, tests included."""
    done = run(*command)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_every_import_goes_down() -> None:
    """Services never import one another, `checkin` none of them, and inside it a lower file never a higher one."""
    lint = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([str(lint)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]


def modules() -> list[Path]:
    """All source files of the four packages."""
    found = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    found = [path for path in found if "node_modules" not in path.parts]
    assert len(found) > 60
    return found


def imported(path: Path) -> set[str]:
    """Top-level names of what a file imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


def inside(path: Path) -> str:
    """The path as the rules name it."""
    return path.relative_to(ROOT).as_posix()


def users_of(*names: str) -> set[str]:
    """The files that import one of these modules."""
    hits = set()
    for path in modules():
        if any(name == wanted or name.startswith(wanted + ".") for name in imported(path) for wanted in names):
            hits.add(inside(path))
    return hits


def test_there_is_one_door_to_cryptography() -> None:
    """Nobody but the primitives imports a cryptographic library."""
    doors = {"checkin/protocol/primitives.py", "checkin/protocol/x509.py"}
    assert users_of("cryptography", "nacl", "hashlib", "hmac", "secrets") <= doors


def test_databases_are_opened_in_few_places() -> None:
    """Engines are in `vault/engines/`, small state in `files/`; each service has one file for its own database."""
    allowed = {"issuer/database.py", "venue/database.py"}
    assert {path for path in users_of("sqlite3", "psycopg") if not path.startswith(ENGINES)} <= allowed


def test_one_file_reads_time() -> None:
    """Everything else is given the time; `sleep` is no reading."""
    readers = set()
    for path in modules():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                call = (node.value.id, node.attr)
                if call in {("time", name) for name in ("time", "monotonic", "perf_counter", "time_ns")} or (
                    call[0] in ("datetime", "date") and call[1] in ("now", "today", "utcnow")
                ):
                    readers.add(inside(path))
    assert readers == {"checkin/clock.py"}


def test_one_file_reads_the_environment() -> None:
    """Secrets and switches cannot hide in variables."""
    readers = {inside(path) for path in modules() if "os.environ" in path.read_text() or "getenv" in path.read_text()}
    assert readers <= {"checkin/service/settings.py"}


def test_files_stay_short() -> None:
    """One story a file: past 600 lines there are two. The table of all errors is one table."""
    long = {inside(path): len(path.read_text().splitlines()) for path in modules() if path.name != "errors.py"}
    assert {path: lines for path, lines in long.items() if lines > 600} == {}


def test_a_class_name_stands_in_one_module() -> None:
    """So that a reader need not open the import to know which is meant."""
    places: dict[str, list[str]] = {}
    for path in modules():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(inside(path))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_a_file_name_stands_in_one_folder() -> None:
    """But for the rooms that all services have, and a noun's commands and routes, which lie in a folder of theirs."""
    rooms = {"__init__", "app", "database", "order_steps", "settings", "tasks"}
    stems = [path.stem for path in modules() if path.parent.name not in ("cli", "routes")]
    assert {stem for stem in stems if stems.count(stem) > 1} == rooms


def test_the_protocol_reads_no_clock_and_opens_nothing() -> None:
    """Formats and seals are given what they need: no file, socket, database or framework."""
    frameworks = {"httpx", "sqlite3", "psycopg", "fastapi", "starlette", "uvicorn"}
    closed = frameworks | {"socket", "subprocess", "os", "pathlib"}
    found = {}
    for path in modules():
        if inside(path).startswith("checkin/protocol/") and (hits := imported(path) & closed):
            found[inside(path)] = hits
    assert found == {"checkin/protocol/primitives.py": {"os"}}  # random bytes of the operating system


def test_parties_open_nothing() -> None:
    """They are given time, answers and what their files hold, by whoever drives them (`checkin/http/asking.py`). So are
    officers, orders and traces: the folders lie beside them, and who executes a trace."""
    beside = {"checkin.parties.authority_folder", "checkin.parties.renewal", "checkin.orders.folder"}
    library = {"__future__", "collections.abc", "contextlib", "dataclasses", "datetime", "enum", "json", "re", "typing"}
    others = {"pydantic", "shamir_mnemonic", "shamir_mnemonic.share", "shamir_mnemonic.utils", "urllib.parse"}
    ours = {"clock", "errors", "http.asking", "keys.officers", "shown", "tlog.proof", "vault.ledger"}
    allowed = library | others | {f"checkin.{name}" for name in {*ours, "tracing.trace_result"}}
    rooms = ("checkin.parties", "checkin.orders", "checkin.protocol")
    found = {}
    for path in modules():
        name = inside(path).removesuffix(".py").replace("/", ".")
        if name in {"checkin.keys.officers", "checkin.tracing.trace"} or (
            name.startswith(rooms[:2]) and name not in beside
        ):
            imports = {one for one in imported(path) if one in beside or not one.startswith(rooms)}
            names = {node.id for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Name)}
            if hits := (imports - allowed) | (names & {"open", "SystemClock"}):
                found[name] = hits
    assert found == {}
