"""Deletes the most important checks one at a time, in memory, and lists which tests notice.

    python tests/deleted_checks.py            # all of them
    python tests/deleted_checks.py officers   # those whose file or function has the word

A check is one `raise`, or one call that raises. It is found by file, function and name, so it survives other changes; a
check that is not found any more is an error. In the end the tests that noticed run with nothing deleted: none may fail.
Ends with status 1 if any deletion is unnoticed. Run by hand, not by pytest.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.changed import ROOT, Change, failing

SECONDS = 600.0  # for the tests of one check


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
TESTS = "tests/checkin"
DOOR = f"{TESTS}/protocol/test_vectors.py tests/properties/test_tokens.py"
SIGNATURE = f"{TESTS}/protocol/test_vectors.py tests/interop/test_signatures.py"
MERKLE = f"{TESTS}/tlog/test_merkle.py"
SLOTS = f"{TESTS}/keys/test_slots.py {TESTS}/keys/test_key_ring.py"
OFFICERS = f"{TESTS}/keys/test_officers.py"
CLOSING = f"{TESTS}/vault/test_closing.py"
ORDER = f"{TESTS}/service/test_order_checks.py"
QUEUE = "tests/venue/test_scan_batches.py"
SINGLE = "tests/venue/test_checkins.py"
EXECUTOR = "checkin/service/order_executor.py"
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
    Check(f"{P}/primitives.py", "verify", "BadSignature", SIGNATURE),
    Check(f"{P}/primitives.py", "verify", "BadSignature", SIGNATURE, 1),
    Check(f"{P}/note.py", "open_note", "NoteUntrusted", f"{TESTS}/protocol/test_note.py"),
    Check(f"{P}/key_list.py", "merge", "ListRefused", f"{TESTS}/protocol/test_key_list.py"),
    Check(f"{P}/signed_time.py", "read_time", "NoteUntrusted", f"{TESTS}/service/test_peers.py"),
    Check(f"{P}/intake.py", "open_entry", "EntryUnreadable", f"{TESTS}/protocol/test_vectors.py {QUEUE}"),
    Check("checkin/tlog/merkle.py", "verify_inclusion", "ProofInvalid", MERKLE),
    Check("checkin/tlog/merkle.py", "verify_inclusion", "ProofInvalid", MERKLE, 1),
    Check("checkin/tlog/merkle.py", "verify_inclusion", "ProofInvalid", MERKLE, 2),
    Check("checkin/tlog/merkle.py", "verify_consistency", "ProofInvalid", MERKLE, 3),
    Check("checkin/tlog/proof.py", "require", "ProofInvalid", "tests/venue/test_trust_proofs.py"),
    Check("checkin/tlog/checkpoint.py", "cosigned_at", "BadSignature", f"{TESTS}/tlog/test_checkpoint.py"),
    Check("checkin/keys/slots.py", "body", "KeyDestroyed", SLOTS),
    Check("checkin/keys/slots.py", "write", "DayDestroyed", SLOTS),
    Check("checkin/keys/slots.py", "write", "KeyExists", SLOTS),
    Check("checkin/keys/slots.py", "destroy", "ValueError", SLOTS),
    Check("checkin/keys/key_ring.py", "hold", "DayDestroyed", SLOTS),
    Check("checkin/keys/officers.py", "join_shares", "SharesInvalid", OFFICERS),
    Check("checkin/keys/officers.py", "join_shares", "SharesInvalid", OFFICERS, 2),
    Check("checkin/keys/file_system.py", "check_storage", "StorageUnfit", f"{TESTS}/keys/test_file_system.py", 1),
    Check("checkin/vault/closing.py", "check_closing", "ClosingBroken", CLOSING),
    Check("checkin/vault/closing.py", "check_rows", "ClosingBroken", CLOSING),
    Check("checkin/vault/engines/sqlite.py", "insert", "DayClosed", CLOSING),
    Check("checkin/purge/clock_guard.py", "require_trusted", "ClockUntrusted", f"{TESTS}/purge/test_purger.py"),
    Check(EXECUTOR, "_opened", "OrderUntrusted", ORDER),
    Check(EXECUTOR, "_opened", "OrderUntrusted", ORDER, 1),
    Check(EXECUTOR, "_check", "OrderWrongAudience", ORDER),
    Check(EXECUTOR, "_check", "OrderExpired", ORDER),
    Check(EXECUTOR, "_check", "OrderScope", ORDER),
    Check(EXECUTOR, "_check", "OrderScope", ORDER, 1),
    Check(EXECUTOR, "_items", "OrderScope", ORDER),
    Check(EXECUTOR, "_kept_or_made", "OrderReused", ORDER),
    Check(EXECUTOR, "_check_logged", "OrderNotLogged", ORDER),
    Check(EXECUTOR, "_check_logged", "OrderNotLogged", ORDER, 1),
    Check("venue/checkins.py", "_verify", "StatusDisclosed", SINGLE),
    Check("venue/checkins.py", "_verify", "DayDestroyed", "tests/venue/test_clock_set_back.py"),
    Check("venue/scan_batches.py", "_judge", "WrongDay", QUEUE),
    Check("venue/scan_batches.py", "_reject_scan_time", "ScanTimeInvalid", QUEUE),
    Check("venue/scan_batches.py", "_reject_scan_time", "ScanTooOld", QUEUE),
    Check("venue/checkins.py", "_second_use", "UsedBefore", SINGLE),
    Check("retention/log.py", "_cosignatures", "SettingsInvalid", "tests/retention/test_log_rekeyed.py"),
    Check("retention/statement_intake.py", "check_days", "NoteUntrusted", "tests/retention/test_list_entries.py"),
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


def delete(check: Check) -> Change:
    """The module without the check. `SystemExit` when it is not there."""
    transformer = Delete(check)
    tree = transformer.visit(ast.parse((ROOT / check.file).read_text(encoding="utf-8")))
    if transformer.found <= check.place:
        raise SystemExit(f"not found: {check}")
    return Change(check.file, tree)


def main() -> None:
    """Each check, and who notices."""
    words = sys.argv[1:]
    wanted = [check for check in CHECKS if not words or any(word in str(check) for word in words)]
    changes = [delete(check) for check in wanted]
    unnoticed, witnesses = [], set()
    for check, change in zip(wanted, changes, strict=True):
        noticed = failing(check.tests.split(), change, SECONDS)
        unnoticed += [] if noticed else [check]
        witnesses |= {name for name in noticed if "::" in name}
        print(f"{check}\n    " + ("\n    ".join(noticed) or "UNNOTICED"), flush=True)
    if failed := failing(sorted(witnesses), None, 60 * SECONDS):
        raise SystemExit(f"with nothing deleted these fail, too: {failed}")
    print(f"{len(wanted) - len(unnoticed)} of {len(wanted)} noticed")
    raise SystemExit(1 if unnoticed else 0)


if __name__ == "__main__":
    main()
