"""Private JSON files of wallets and scanners: readable by their owner alone, whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from checkin.files.durable import replace_file, require_private


def write_private(path: Path, data: Any) -> None:
    """Replace the file, mode 0600; on disk when this returns. A link in its place is replaced, not followed."""
    replace_file(path, json.dumps(data).encode())


def read_private(path: Path) -> Any:
    """What the file holds, closed to others if it was not. Raises `OSError`, `ValueError`, `SettingsInvalid`."""
    require_private(path)
    return json.loads(path.read_text(encoding="utf-8"))
