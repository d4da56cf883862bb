"""Deletes the most important checks one at a time, in a copy of the tree, and lists which tests notice.

    python tests/deleted_checks.py            # all of them, a few minutes
    python tests/deleted_checks.py officers   # those whose file or function has the word

A check is one `raise`, or one call that raises. It is found by file, function and name, so it survives other changes; a
check that is not found any more is an error. Ends with status 1 if any is unnoticed. Run by hand, not by pytest.
"""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = ("checkin", "issuer", "venue", "retention", "tests", "docs", "pyproject.toml", "README.md")


@dataclass(frozen=True)
class Check:
    """`name`: what is raised, or what is called; `place`: which of several in the function, from 0."""

    file: str
    function: str
    name: str
    tests: str
    place: int = 0

    def __str__(self) -> str:
        return f"{self.file} {self.function} {self.name}" + (f" #{self.place + 1}" if self.place else "")


P = "checkin/protocol"
DOOR = "tests/checkin/protocol tests/properties/test_tokens.py"
LOG = "tests/checkin/tlog"
RING = "tests/checkin/keys"
ORDER = "tests/checkin/tracing/test_refusals.py tests/checkin/orders"
CHECKS = [
    Check(f"{P}/presentation.py", "from_text", "TokenMalformed", DOOR),
    Check(f"{P}/presentation.py", "reject_outside_window", "TokenNotYetValid", DOOR),
    Check(f"{P}/presentation.py", "reject_outside_window", "TokenExpired", DOOR),
    Check(f"{P}/presentation.py", "reject_other_day", "WrongDay", DOOR),
    Check(f"{P}/presentation.py", "reject_other_day", "WrongDay", DOOR, 1),
    Check(f"{P}/presentation.py", "reject_unsigned", "verify_signature", DOOR),
    Check(f"{P}/presentation.py", "reject_status", "verify_opening", DOOR),
    Check(f"{P}/presentation.py", "reject_status", "StatusRequired", DOOR),
    Check(f"{P}/credential.py", "verify_opening", "BadStatus", DOOR),
    Check(f"{P}/encoding.py", "base45_decode", "TokenMalformed", DOOR),
    Check(f"{P}/primitives.py", "verify", "BadSignature", f"{DOOR} tests/interop/test_signatures.py"),
    Check(f"{P}/primitives.py", "verify", "BadSignature", f"{DOOR} tests/interop/test_signatures.py", 1),
    Check(f"{P}/note.py", "open_note", "NoteUntrusted", "tests/checkin/protocol tests/properties/test_notes.py"),
    Check(f"{P}/key_list.py", "merge", "ListRefused", "tests/checkin/protocol tests/venue/test_trust.py"),
    Check(f"{P}/signed_time.py", "read_time", "NoteUntrusted", "tests/checkin/protocol tests/checkin/service"),
    Check(f"{P}/intake.py", "open_entry", "EntryUnreadable", "tests/checkin/protocol tests/venue/test_batches.py"),
    Check("checkin/tlog/merkle.py", "verify_inclusion", "ProofInvalid", LOG),
    Check("checkin/tlog/merkle.py", "verify_inclusion", "ProofInvalid", LOG, 1),
    Check("checkin/tlog/merkle.py", "verify_inclusion", "ProofInvalid", LOG, 2),
    Check("checkin/tlog/merkle.py", "verify_consistency", "ProofInvalid", LOG, 1),
    Check("checkin/tlog/policy.py", "require", "ProofInvalid", f"{LOG} tests/venue/test_trust_proofs.py"),
    Check("checkin/tlog/cosignature.py", "cosigned_at", "BadSignature", LOG),
    Check("checkin/keys/slots.py", "body", "KeyDestroyed", RING),
    Check("checkin/keys/slots.py", "write", "DayDestroyed", RING),
    Check("checkin/keys/slots.py", "write", "KeyExists", RING),
    Check("checkin/keys/slots.py", "destroy", "ValueError", RING),
    Check("checkin/keys/key_ring.py", "make", "DayDestroyed", RING),
    Check("checkin/keys/officers.py", "join_shares", "SharesInvalid", RING),
    Check("checkin/keys/officers.py", "join_shares", "SharesInvalid", RING, 2),
    Check("checkin/keys/file_system.py", "check_storage", "StorageUnfit", RING, 1),
    Check("checkin/vault/closing.py", "check_closing", "ClosingBroken", "tests/checkin/vault"),
    Check("checkin/vault/closing.py", "check_rows", "ClosingBroken", "tests/checkin/vault"),
    Check("checkin/vault/engines/sqlite.py", "insert", "DayClosed", "tests/checkin/vault"),
    Check("checkin/purge/clock_guard.py", "require_trusted", "ClockUntrusted", "tests/checkin/purge"),
    Check("checkin/service/order_executor.py", "_opened", "OrderUntrusted", ORDER),
    Check("checkin/service/order_executor.py", "_opened", "OrderUntrusted", ORDER, 1),
    Check("checkin/service/order_executor.py", "_check", "OrderWrongAudience", ORDER),
    Check("checkin/service/order_executor.py", "_check", "OrderExpired", ORDER),
    Check("checkin/service/order_executor.py", "_check", "OrderScope", ORDER),
    Check("checkin/service/order_executor.py", "_check", "OrderScope", ORDER, 1),
    Check("checkin/service/order_executor.py", "_items", "OrderScope", ORDER),
    Check("checkin/service/order_executor.py", "_answer", "OrderReused", ORDER),
    Check("checkin/service/order_executor.py", "_check_logged", "OrderNotLogged", ORDER),
    Check("checkin/service/order_executor.py", "_check_logged", "OrderNotLogged", ORDER, 1),
    Check("venue/checkins.py", "_verify", "StatusDisclosed", "tests/venue/test_checkins.py"),
    Check("venue/checkins.py", "_verify", "DayDestroyed", "tests/venue/test_checkins.py tests/venue/test_batches.py"),
    Check("venue/batches.py", "_judge", "WrongDay", "tests/venue/test_batches.py"),
    Check("venue/batches.py", "_reject_scan_time", "ScanTimeInvalid", "tests/venue/test_batches.py"),
    Check("venue/batches.py", "_reject_scan_time", "ScanTooOld", "tests/venue/test_batches.py"),
    Check("venue/checkins.py", "_second_use", "UsedBefore", "tests/venue/test_checkins.py"),
    Check("retention/key_list_entries.py", "check_days", "NoteUntrusted", "tests/retention"),
]


class Delete(ast.NodeTransformer):
    """Puts `pass` in the place of the check."""

    def __init__(self, check: Check) -> None:
        self.check = check
        self.found = 0
        self._inside: list[str] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Remembers which function this is."""
        self._inside.append(node.name)
        self.generic_visit(node)
        self._inside.pop()
        return node

    visit_AsyncFunctionDef = visit_FunctionDef  # type: ignore[assignment]  # noqa: N815 - the name that `ast` asks for

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """A `raise` of the class."""
        return self._maybe(node, node.exc)

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        """A call as a statement."""
        return self._maybe(node, node.value)

    def _maybe(self, node: ast.AST, what: ast.expr | None) -> ast.AST:
        called = what.func if isinstance(what, ast.Call) else what
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", None)
        if name != self.check.name or self.check.function not in self._inside:
            return node
        self.found += 1
        return ast.Pass() if self.found == self.check.place + 1 else node


def delete(check: Check, tree: Path) -> str:
    """Deletes the check in the tree; the file's text before. `SystemExit` when it is not there."""
    path = tree / check.file
    text = path.read_text(encoding="utf-8")
    parsed = ast.parse(text)
    transformer = Delete(check)
    changed = transformer.visit(parsed)
    if transformer.found <= check.place:
        raise SystemExit(f"not found: {check}")
    path.write_text(ast.unparse(ast.fix_missing_locations(changed)), encoding="utf-8")
    return text


def failing(tree: Path, tests: str) -> list[str]:
    """The tests that fail there, as pytest names them; at most three."""
    line = [sys.executable, "-m", "pytest", "-q", "--maxfail=3", "-p", "no:cacheprovider", *tests.split()]
    done = subprocess.run(line, cwd=tree, capture_output=True, text=True, check=False)
    if done.returncode not in (0, 1, 2):
        raise SystemExit(f"pytest did not run: {done.stdout[-800:]}{done.stderr[-800:]}")
    named = [line.split(" ")[1] for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    return named or (["(collection)"] if done.returncode else [])


def main() -> None:
    """Each check, and who notices."""
    words = sys.argv[1:]
    wanted = [check for check in CHECKS if not words or any(word in str(check) for word in words)]
    unnoticed = []
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "tree"
        tree.mkdir()
        for package in PACKAGES:
            source = ROOT / package
            copy = shutil.copytree if source.is_dir() else shutil.copy
            copy(source, tree / package)
        for check in wanted:
            before = delete(check, tree)
            noticed = failing(tree, check.tests)
            (tree / check.file).write_text(before, encoding="utf-8")
            unnoticed += [] if noticed else [check]
            print(f"{check}\n    " + ("\n    ".join(noticed) or "UNNOTICED"), flush=True)
    print(f"{len(wanted) - len(unnoticed)} of {len(wanted)} noticed")
    raise SystemExit(1 if unnoticed else 0)


if __name__ == "__main__":
    main()
