"""Runs the model of the whole system for so many steps, with the invariants after each, and prints the count.

    python tests/explore_system.py 50000              # from seed 0 on; some hours on one core
    python tests/explore_system.py 2000 --seed 7

A step that breaks an invariant ends it with the shortest sequence of steps that does, and status 1.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

import structlog
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.properties.test_whole_system import WholeSystem

LIVES, STEPS_A_LIFE = 20, 50  # of a seed


def main() -> None:
    """Seed after seed until it is enough."""
    parser = argparse.ArgumentParser()
    parser.add_argument("steps", type=int)
    parser.add_argument("--seed", type=int, default=0)
    wanted = parser.parse_args()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    profile = settings(
        max_examples=LIVES,
        stateful_step_count=STEPS_A_LIFE,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    number, began = wanted.seed, time.monotonic()
    while WholeSystem.steps < wanted.steps:
        run_state_machine_as_test(seed(number)(type("Seeded", (WholeSystem,), {})), settings=profile)
        print(f"seed {number}: {WholeSystem.steps} steps, {time.monotonic() - began:.0f} s", flush=True)
        number += 1
    print(f"{WholeSystem.steps} steps, seeds {wanted.seed} to {number - 1}, 0 broken")


if __name__ == "__main__":
    main()
