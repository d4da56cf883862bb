"""Keep a process that holds keys out of core dumps and swap, as far as the machine lets it, and its files private.

Nothing here is fatal: what could not be had comes back as sentences for the operator (docs/spec/keys.md §6).
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from pathlib import Path
from typing import Final

_PR_SET_DUMPABLE: Final = 4  # prctl(2)
_MCL_CURRENT: Final = 1  # mlockall(2)
_MCL_FUTURE: Final = 2
_MCL_ONFAULT: Final = 4
_CAP_IPC_LOCK: Final = 14  # capabilities(7)


def harden(proc: Path = Path("/proc")) -> list[str]:
    """No core dumps, no debugger, no file for others (umask 077), memory locked where that is allowed without limit;
    returns warnings."""
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform != "linux":
        return ["This is not Linux: nothing keeps this process's keys out of swap."]
    libc = ctypes.CDLL(None, use_errno=True)
    warnings = []
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        warnings.append(f"Core dumps and debuggers could not be turned off: {_reason()}.")
    if not _may_lock(proc):
        return warnings + _swap_warning(proc, "this process may not lock its memory (LimitMEMLOCK=infinity)")
    # On fault: locks what is used, instead of filling every thread's stack into memory.
    if libc.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT):
        return warnings + _swap_warning(proc, f"locking the memory failed: {_reason()}")
    return warnings


def _reason() -> str:
    return os.strerror(ctypes.get_errno())


def _may_lock(proc: Path) -> bool:
    """Without limit or not at all: under a limit, locking what comes later would end in a failed allocation."""
    if resource.getrlimit(resource.RLIMIT_MEMLOCK)[1] == resource.RLIM_INFINITY:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        return True
    for line in (proc / "self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_IPC_LOCK & 1)
    return False


def _swap_warning(proc: Path, why: str) -> list[str]:
    """One sentence if there is any swap; the first line of /proc/swaps is its heading."""
    try:
        swaps = (proc / "swaps").read_text().splitlines()[1:]
    except OSError:
        swaps = []
    if not swaps:
        return []
    return [f"Keys may be written to swap, where no destroying reaches them: {why}. Turn swap off or encrypt it."]
