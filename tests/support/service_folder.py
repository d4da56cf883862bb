"""The folder of one service that was never started: secrets, settings, a simulated clock at noon of the tests' day."""

from __future__ import annotations

from pathlib import Path

from checkin.clock import Calendar
from checkin.keys.secret_file import make_secret

CALENDAR = Calendar()
DAY = CALENDAR.parse_date("2026-11-20")
HOUR = 3600.0
NOON = int(CALENDAR.start(DAY)) + 12 * 3600
_COMMON = {
    "data": '"data"',
    "keys": '"keys"',
    "master_key": '"master.key"',
    "statement_key": '"statement.key"',
    "allow_unfit_storage": "true",
}


def at(day: int, seconds: float = 0.0) -> str:
    """A simulated clock's line: so long after the day's local start."""
    return CALENDAR.rfc3339(CALENDAR.start(day) + seconds, "milliseconds")


def make_service(folder: Path, name: str = "registry.example", **settings: str) -> Path:
    """Its settings' file; `settings` are TOML values, beside the common ones or in their place."""
    folder.mkdir(parents=True, exist_ok=True)
    for secret in ("master.key", "statement.key"):
        make_secret(folder / secret)
    (folder / "clock").write_text(at(DAY, 12 * HOUR) + "\n")
    lines = {"name": f'"{name}"', **_COMMON} | settings
    config = folder / "settings.toml"
    config.write_text("".join(f"{setting} = {value}\n" for setting, value in lines.items()), encoding="utf-8")
    return config


def bearer(token: str) -> dict[str, str]:
    """The header of a request."""
    return {"Authorization": f"Bearer {token}"}
