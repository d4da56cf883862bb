"""Settings: one TOML file a service, strict, frozen, unknown names refused, secrets as files of their own; the parties
that a service pins in it by hand.

The only file that reads the environment, and only to hand a few paths on to worker processes.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from checkin.clock import Calendar
from checkin.errors import CheckinError, NoteUntrusted, SettingsInvalid
from checkin.keys.secret_file import read_token
from checkin.protocol.note import NoteVerifier, Opened, open_note
from checkin.tlog.checkpoint import CosignatureVerifier
from checkin.tlog.proof import PinnedLog


def _beside_settings(path: Path, info: ValidationInfo) -> Path:
    folder: Path | None = (info.context or {}).get("folder")
    return path if folder is None else (folder / path).resolve()


def _parsed(parse: Callable[[str], str]) -> AfterValidator:
    """What `parse` makes of a setting; a `CheckinError` of it is why the setting is wrong."""

    def read(text: str) -> str:
        try:
            return parse(text)
        except CheckinError as error:
            raise ValueError(error.detail) from None

    return AfterValidator(read)


def _listenable(address: str) -> str:
    if not re.fullmatch(r"[^:\s]+:[1-9][0-9]{0,4}", address) or int(address.rpartition(":")[2]) > 65535:
        raise ValueError("it is an address and a port, as 127.0.0.1:8001")
    return address


_COUNTERS = "PROMETHEUS_MULTIPROC_DIR"
FilePath = Annotated[Path, Field(strict=False), AfterValidator(_beside_settings)]
Zone = Annotated[str, _parsed(lambda name: Calendar(name).zone)]
VerifierKey = Annotated[str, _parsed(lambda text: NoteVerifier.parse(text).vkey)]
WitnessKey = Annotated[str, _parsed(lambda text: CosignatureVerifier.parse(text).vkey)]
Url = Annotated[str, Field(pattern=r"^https?://[^\s/?#]+$")]
TokenHash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Address = Annotated[str, AfterValidator(_listenable)]


class Strict(BaseModel):
    """A part of the settings."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    @classmethod
    def load(cls, path: Path) -> Self:
        """From a TOML file; raises `SettingsInvalid` that names every setting that is wrong."""
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
            return cls.model_validate(values, context={"folder": path.resolve().parent})
        except OSError:
            raise SettingsInvalid(f"The settings file {path.name} cannot be read.") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsInvalid(f"{path.name} is not TOML: {error}") from None
        except ValidationError as error:
            wrong = "; ".join(
                f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg'].removeprefix('Value error, ')}"
                for item in error.errors(include_input=False)
            )
            raise SettingsInvalid(f"{path.name}: {wrong}") from None


class Peer(Strict):
    """Another party, pinned by hand: where it answers, and the key its notes verify under."""

    url: Url
    vkey: VerifierKey

    @property
    def verifier(self) -> NoteVerifier:
        """The pinned key, with the party's name."""
        return NoteVerifier.parse(self.vkey)


class RingUse(Strict):
    """The key ring of three nodes, and the key by which this app node is known to them."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9.:/-]+$")]
    key: FilePath
    nodes: Annotated[tuple[Peer, ...], Field(min_length=3, max_length=3, strict=False)]
    lost: Annotated[tuple[FilePath, ...], Field(max_length=32, strict=False)] = ()
    """What officers signed about nodes that are lost with their volumes (docs/scaling.md)."""


class ServiceSettings(Strict):
    """What every service needs; paths are relative to the settings file."""

    ringed: ClassVar[bool] = False
    """Whether its keys may lie on a ring of nodes."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9.:/-]+$")]
    """The name its notes are signed with, a URL without a scheme."""
    listen: Address = "127.0.0.1:8000"
    """Host and port that it takes requests at; what faces the internet is a proxy."""
    data: FilePath
    """Databases, day vault, lists, statements: what is backed up."""
    keys: FilePath
    """The key ring: what is never backed up."""
    master_key: FilePath | None = None
    """Under which the slots of `keys` are wrapped; one key ring has it, and no other."""
    ring: RingUse | None = None
    """Of an issuer or a registry: the three nodes that hold its keys in place of this machine, with their addresses and
    verifier keys, and this app node's name and signing key."""
    statement_key: FilePath
    """Ed25519 seed that signs its notes; for its owner alone."""
    zone: Zone = "Asia/Seoul"
    """By whose midnight a service day begins, an IANA name; one for all parties."""
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    """Processes, which share data and keys."""
    retention_token_sha256: TokenHash | None = None
    """SHA-256 of the token that the retention service presents."""
    time_peers: tuple[Peer, ...] = Field(default=(), strict=False)
    """Pinned parties on other machines, queried for their signed time after a downtime of more than a day."""
    allow_unfit_storage: bool = False
    """Starts also where overwriting does not destroy; not for real use."""

    @model_validator(mode="after")
    def _one_ring_or_the_other(self) -> Self:
        if (self.master_key is None) == (self.ring is None):
            raise ValueError("a service has a master_key, or a ring of nodes")
        if self.ring and not self.ringed:
            raise ValueError("only an issuer or a registry keeps its keys on a ring of nodes")
        return self


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


def require_own_counters() -> None:
    """Raises `SettingsInvalid` where the environment names a folder for prometheus_client to count in: services that
    inherit it would show each other's counters."""
    for name in (_COUNTERS, _COUNTERS.lower()):
        if name in os.environ:
            raise SettingsInvalid(f"Unset {name} in the environment: a service chooses where its workers count.")


def count_together(folder: str) -> None:
    """Have worker processes that start from here on count in this folder, where prometheus_client looks for it."""
    os.environ[_COUNTERS] = folder


def counts_together() -> bool:
    """Whether this process is one of several that count in one folder."""
    return _COUNTERS in os.environ


class OfficersSettings(Strict):
    """Officers' keys, and how many of them sign."""

    officers: Annotated[tuple[VerifierKey, ...], Field(min_length=1, max_length=32, strict=False)]
    """Their verifier keys, one each."""
    threshold: Annotated[int, Field(ge=1)] = 2
    """How many of them sign together."""

    @model_validator(mode="after")
    def _enough_officers(self) -> Self:
        if len(set(self.officers)) != len(self.officers) or self.threshold > len(self.officers):
            raise ValueError("officers are different, and at least as many as the threshold")
        return self

    @property
    def verifiers(self) -> list[NoteVerifier]:
        return [NoteVerifier.parse(vkey) for vkey in self.officers]

    def open(self, note: str, fewest: int = 1) -> Opened:
        """What as many of them signed as it takes, and at least `fewest`; raises `NoteMalformed`, `NoteUntrusted`."""
        return open_note(note, self.verifiers, max(fewest, self.threshold))


class AuthoritySettings(OfficersSettings):
    """The health authority: the name in its lists and orders, and its officers."""

    name: str
    """As it stands in its lists and orders."""
    former: Annotated[tuple[OfficersSettings, ...], Field(max_length=32, strict=False)] = ()
    """The officers before these: nothing new is taken from them, and what they ordered before stands."""

    def open_kept(self, note: str, fewest: int = 1) -> Opened:
        """As `open`, by the officers of now or of one time before: for what was taken once."""
        for officers in self.former:
            with suppress(NoteUntrusted):
                return officers.open(note, fewest)
        return self.open(note, fewest)


class WitnessedLog(Strict):
    """A log: its key, its witnesses, how many of them cosign (`quorum`)."""

    vkey: VerifierKey
    witnesses: Annotated[tuple[WitnessKey, ...], Field(max_length=16, strict=False)] = ()
    quorum: Annotated[int, Field(ge=0, le=16)] | None = None
    """One when there are witnesses and nothing is said here."""

    @model_validator(mode="after")
    def _attainable(self) -> Self:
        if self.quorum is not None and self.quorum > len(self.witnesses):
            raise ValueError("the quorum is at most the number of witnesses")
        return self

    @property
    def pinned(self) -> PinnedLog:
        """The same as objects that verify."""
        return PinnedLog.of(self.vkey, self.witnesses, self.quorum)


class LogSettings(WitnessedLog):
    """The log that orders and lists of keys must be in, and how entries are brought to it."""

    url: Url | None = None
    """Where the log takes entries; without it an own list of keys is published without a proof."""
    token_file: FilePath | None = None
    """What is presented there; a line of text, for its owner alone. It goes with `url`."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.url is None) != (self.token_file is None):
            raise ValueError("url and token_file go together")
        return self

    @property
    def token(self) -> str:
        """The bearer token; raises `SettingsInvalid`."""
        if self.token_file is None:
            raise SettingsInvalid("The log has no token_file in the settings.")
        return read_token(self.token_file)
