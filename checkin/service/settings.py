"""Settings: one TOML file a service, strict, frozen, unknown names refused, secrets as files of their own.

The only file that reads the environment, and only to hand two paths on to worker processes.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from checkin.clock import Calendar
from checkin.errors import CheckinError, SettingsInvalid
from checkin.protocol.note import NoteVerifier


def _beside_settings(path: Path, info: ValidationInfo) -> Path:
    folder: Path | None = (info.context or {}).get("folder")
    return path if folder is None else (folder / path).resolve()


def _known_zone(zone: str) -> str:
    try:
        return Calendar(zone).zone
    except CheckinError as error:
        raise ValueError(error.detail) from None


def _vkey(text: str) -> str:
    try:
        return NoteVerifier.parse(text).vkey
    except CheckinError as error:
        raise ValueError(error.detail) from None


FilePath = Annotated[Path, Field(strict=False), AfterValidator(_beside_settings)]
Zone = Annotated[str, AfterValidator(_known_zone)]
VerifierKey = Annotated[str, AfterValidator(_vkey)]
Url = Annotated[str, Field(pattern=r"^https?://[^\s/?#]+$")]
TokenHash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Strict(BaseModel):
    """A part of the settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Peer(Strict):
    """Another party, pinned by hand: where it answers, and the key its notes verify under."""

    url: Url
    vkey: VerifierKey


class ServiceSettings(Strict):
    """What every service needs; paths are relative to the settings file."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9.:/-]+$")]
    """The name its notes are signed with, a URL without a scheme."""
    listen: Annotated[str, Field(pattern=r"^[^:\s]+:\d+$")] = "127.0.0.1:8000"
    data: FilePath
    """Databases, day vault, lists, statements: what is backed up."""
    keys: FilePath
    """The key ring: what is never backed up."""
    master_key: FilePath
    statement_key: FilePath
    zone: Zone = "Asia/Seoul"
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    retention_token_sha256: TokenHash | None = None
    """SHA-256 of the token that the retention service presents."""
    time_peers: tuple[Peer, ...] = Field(default=(), strict=False)
    """Pinned parties whose signed time is asked after a downtime of more than a day."""
    allow_unfit_storage: bool = False

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a TOML file; raises `SettingsInvalid` that names every setting that is wrong."""
        return load_toml(cls, path)


M = TypeVar("M", bound=Strict)


def load_toml(model: type[M], path: Path) -> M:
    """Settings of this form from a TOML file; raises `SettingsInvalid` that names every setting that is wrong."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        return model.model_validate(values, context={"folder": path.resolve().parent})
    except OSError:
        raise SettingsInvalid(f"The settings file {path.name} cannot be read.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{path.name} is not TOML: {error}") from None
    except ValidationError as error:
        wrong = "; ".join(f"{_place(item['loc'])}: {item['msg']}" for item in error.errors(include_input=False))
        raise SettingsInvalid(f"{path.name}: {wrong}") from None


def _place(loc: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in loc) or "file"


class Launch(BaseSettings):
    """How a worker process learns what to serve: CHECKIN_SERVICE, CHECKIN_CONFIG, CHECKIN_SIMULATED_CLOCK."""

    model_config = SettingsConfigDict(env_prefix="CHECKIN_", frozen=True)

    service: str
    config: Path
    simulated_clock: Path | None = None

    def export(self) -> None:
        """Put the values where worker processes started from here find them."""
        os.environ["CHECKIN_SERVICE"] = self.service
        os.environ["CHECKIN_CONFIG"] = str(self.config)
        os.environ.pop("CHECKIN_SIMULATED_CLOCK", None)
        if self.simulated_clock:
            os.environ["CHECKIN_SIMULATED_CLOCK"] = str(self.simulated_clock)
