"""Building on the services from Python: get and show a code, enrol a door and scan, verify what was destroyed.

Every call is one step of a person's, done with a file of that person's (a wallet, a scanner) that other processes may
use, too; `checkin.client.aio` has the same calls for asyncio. What goes wrong is a `CheckinError` (docs/errors.md).
docs/client.md shows them at work.
"""

from checkin.client.calls import (
    EnrolledDoor,
    EvidenceFaulty,
    FreshCode,
    PendingWallet,
    Scanned,
    confirm,
    enrol,
    present,
    read_code,
    register,
    scan,
    upload,
    verify_audit,
)
from checkin.errors import CheckinError

__all__ = [
    "CheckinError",
    "EnrolledDoor",
    "EvidenceFaulty",
    "FreshCode",
    "PendingWallet",
    "Scanned",
    "confirm",
    "enrol",
    "present",
    "read_code",
    "register",
    "scan",
    "upload",
    "verify_audit",
]
