"""Changes one operator, number, condition or statement at a time, and counts how many changes a test notices.

    python tests/mutation_score.py --sample 20         # so many of each part, the same ones each time
    python tests/mutation_score.py --sample 20 purge   # of one part alone
    python tests/mutation_score.py --all               # every change; many hours

The parts are what the promises rest on: token, vault, purge, order, log. A change that a part's tests let pass is
printed with its line; ends with status 1 below 90 %. Changes that change nothing are in EQUIVALENT, with the reason.
"""

from __future__ import annotations

import argparse
import ast
import copy
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.changed import ROOT, Change, failing

SECONDS: Final = 600.0
GOAL: Final = 0.9
T: Final = "tests/checkin"
PARTS: Final = {
    "token": (
        "checkin/protocol/presentation.py checkin/protocol/credential.py",
        f"{T}/protocol/test_vectors.py tests/properties/test_tokens.py",
    ),
    "vault": (
        "checkin/vault/vault.py checkin/vault/visit.py checkin/vault/ledger.py checkin/vault/closing.py "
        "checkin/vault/row_tree.py checkin/vault/group_commit.py checkin/vault/engines/sqlite.py",
        f"{T}/vault/test_vault.py {T}/vault/test_visit.py {T}/vault/test_ledger.py {T}/vault/test_closing.py "
        f"{T}/vault/test_spec_vault.py {T}/vault/test_group_commit.py {T}/vault/engines/test_sqlite.py",
    ),
    "purge": (
        "checkin/purge/purger.py checkin/purge/inventory.py checkin/purge/due_keys.py checkin/purge/clock_guard.py "
        "checkin/purge/statement_store.py checkin/keys/slots.py checkin/keys/key_ring.py",
        f"{T}/purge {T}/keys/test_slots.py {T}/keys/test_key_ring.py {T}/keys/test_master_key.py",
    ),
    "order": (
        "checkin/orders/order.py checkin/orders/part.py checkin/orders/rows.py checkin/service/order_executor.py "
        "checkin/service/order_store.py",
        f"{T}/service/test_order_checks.py {T}/service/test_kept_answers.py {T}/orders tests/properties/test_orders.py",
    ),
    "log": (
        "checkin/tlog/merkle.py checkin/tlog/checkpoint.py checkin/tlog/proof.py checkin/tlog/tiles.py "
        "retention/log.py retention/log_state.py",
        f"{T}/tlog tests/properties/test_trees.py tests/retention/test_log.py tests/retention/test_log_tampered.py "
        "tests/retention/test_put_back.py tests/retention/test_log_rekeyed.py",
    ),
}
EQUIVALENT: Final = {
    "checkin/purge/due_keys.py: 1000 -> 1001": "milliseconds of a destruction, for the log: nobody sees a thousandth",
    "checkin/protocol/presentation.py: 512 -> 513": "a token of that length has another shape, and is refused for it",
    "checkin/vault/group_commit.py: 1000 -> 1001": "how many rows go into one commit at most is nobody's promise",
}
"""`file: was -> is` of changes that no test can notice, and why."""
_SWAPPED: Final[dict[type[Any], type[Any]]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """The node of the file, counted as `ast.walk` does, and what is there instead."""

    file: str
    place: int
    line: int
    what: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.what}"

    def change(self) -> Change:
        """The module with it."""
        tree = ast.parse((ROOT / self.file).read_text(encoding="utf-8"))
        old = list(ast.walk(tree))[self.place]
        new = _changed(old)
        assert new is not None
        return Change(self.file, _Put(old, new).visit(tree))


class _Put(ast.NodeTransformer):
    """Puts a node in the place of another."""

    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self._old, self._new = old, new

    def visit(self, node: ast.AST) -> Any:
        return ast.copy_location(self._new, node) if node is self._old else self.generic_visit(node)


def _changed(node: ast.AST) -> ast.AST | None:  # noqa: C901 - a table of kinds
    """The node with one change; None where there is none to make."""
    new: Any = copy.deepcopy(node)
    match new:
        case ast.Compare(ops=[op]) if type(op) in _SWAPPED:
            new.ops = [_SWAPPED[type(op)]()]
        case ast.BoolOp(op=op) | ast.BinOp(op=op) if type(op) in _SWAPPED:
            new.op = _SWAPPED[type(op)]()
        case ast.UnaryOp(op=ast.Not()):
            return new.operand
        case ast.If() | ast.While() | ast.IfExp():
            new.test = ast.UnaryOp(ast.Not(), new.test)
        case ast.Constant(value=bool(value)):
            new.value = not value
        case ast.Constant(value=int(value)):
            new.value = value + 1
        case ast.Raise() | ast.Expr(value=ast.Call()):
            return ast.Pass()
        case ast.Return(value=ast.expr()) if not isinstance(new.value, ast.Constant):
            new.value = ast.Constant(None)
        case _:
            return None
    return new  # type: ignore[no-any-return]


def mutants(file: str) -> Iterator[Mutant]:
    """All changes of a file: not in annotations, not in what is written to the program's log."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    passed_over = {id(inner) for node in ast.walk(tree) for left in _left(node) for inner in ast.walk(left)}
    for place, node in enumerate(ast.walk(tree)):
        if id(node) not in passed_over and (new := _changed(node)) is not None:
            shown = node.test if isinstance(node, ast.If | ast.While) else node
            instead = new.test if isinstance(new, ast.If | ast.While) else new
            what = f"{ast.unparse(shown)} -> {ast.unparse(ast.fix_missing_locations(instead))}".replace("\n", " ")
            mutant = Mutant(file, place, getattr(node, "lineno", 0), what)
            if f"{file}: {what}" not in EQUIVALENT:
                yield mutant


def _left(node: ast.AST) -> Iterator[ast.AST]:
    """What of a node is not changed."""
    for name in ("annotation", "returns", "decorator_list"):
        value = getattr(node, name, None)
        yield from value if isinstance(value, list) else [value] if value is not None else []
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        called = node.value.func
        if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and called.value.id == "log":
            yield node


def main() -> None:
    """The score."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--seed", type=int, default=1)
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--sample", type=int)
    how.add_argument("--all", action="store_true")
    wanted = parser.parse_args()
    tried = noticed = 0
    for part in wanted.parts or PARTS:
        files, tests = (words.split() for words in PARTS[part])
        every = [mutant for file in files for mutant in mutants(file)]
        some = every if wanted.all else random.Random(wanted.seed).sample(every, min(wanted.sample, len(every)))
        killed = 0
        for mutant in some:
            if failing(tests, mutant.change(), SECONDS, most=1):
                killed += 1
            else:
                print(f"    lives: {mutant}", flush=True)
        tried, noticed = tried + len(some), noticed + killed
        print(f"{part}: {killed} of {len(some)} noticed, of {len(every)} changes there are", flush=True)
    print(f"{noticed} of {tried}, {noticed / tried:.0%}")
    raise SystemExit(0 if noticed >= GOAL * tried else 1)


if __name__ == "__main__":
    main()
