"""Which tests start processes or servers, need a browser, or take long: by where they lie, so that none is forgotten.

`pytest -n 3 --dist loadscope -m "not process and not slow"` is what is run between two thoughts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parent
GROUPS: Final = {
    "process": (
        "attacks", "benchmarks", "browser", "checkin/audit", "checkin/cli", "checkin/demo", "checkin/simulation",
        "checkin/service/test_addresses.py", "checkin/service/test_readiness.py",
        "checkin/service/test_shared_counts.py",
        "checkin/service/test_tasks.py", "checkin/service/test_wal_watch.py", "checkin/service/test_wire.py",
        "checkin/tracing", "faults",
        "checkin/vault/engines/test_pooler.py", "checkin/vault/engines/test_postgres_loss.py",
        "interop/test_conformance.py", "issuer",
        "retention", "services", "venue",
    ),
    "browser": ("browser",),
    "slow": (
        "benchmarks", "browser", "checkin/demo/test_demo.py", "checkin/simulation",
        "checkin/vault/engines/test_postgres_loss.py", "faults",
        "interop/test_conformance.py", "interop/test_pictures.py", "interop/test_sumdb.py",
        "issuer/test_behind_a_proxy.py",
        "properties/test_clock_model.py", "properties/test_key_ring_model.py", "properties/test_whole_system.py",
        "services/test_endings.py", "services/test_up_engine.py", "venue/test_behind_a_proxy.py", "venue/test_ring.py",
        "test_examples.py", "test_habits.py", "test_package.py",
    ),
}  # fmt: skip


def mark(items: list[pytest.Item]) -> None:
    """Give every test the marks of its folder or file."""
    for item in items:
        for name in groups_of(item.path):
            item.add_marker(name)


def groups_of(path: Path) -> list[str]:
    """The marks of a test in this file."""
    if not path.is_relative_to(ROOT):
        return []
    place = path.relative_to(ROOT)
    return [name for name, places in GROUPS.items() if any(place.is_relative_to(folder) for folder in places)]
