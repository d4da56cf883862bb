"""All measurements by one command: `python -m tests.benchmarks [NAME …]`.

Each prints ratios between things that ran in turn, with median and spread. None of them decides a test run.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

HERE = Path(__file__).parent
NAMES = sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def main(wanted: list[str]) -> None:
    """Run what is wanted, or everything; an unknown name lists what there is."""
    if unknown := set(wanted) - set(NAMES):
        sys.exit(f"there is no benchmark {', '.join(sorted(unknown))}: there are {', '.join(NAMES)}")
    for name in wanted or NAMES:
        print(f"# {name}", flush=True)
        sys.argv = [f"bench_{name}.py"]
        runpy.run_path(str(HERE / f"bench_{name}.py"), run_name="__main__")


main(sys.argv[1:])
