"""The retention service's settings; `settings.sample.toml` shows all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from checkin.service.settings import (
    AuthoritySettings,
    FilePath,
    Peer,
    ServiceSettings,
    Strict,
    TokenHash,
    VerifierKey,
    WitnessKey,
)
from checkin.tlog.checkpoint import CosignatureVerifier


class CollectedService(Peer):
    """A service that destroys: queried daily at its `url`, its statements believed under its `vkey`."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9.:/-]+$")]
    """The name in its verifier key."""
    token_file: FilePath
    """The token that is presented to the service, and that it presents here; a line of text, for its owner alone."""
    issuer: Annotated[int, Field(ge=0, le=2**32 - 1)] | None = None
    """The number under which an issuer lists keys, no other's; a registry has none."""
    former: tuple[VerifierKey, ...] = Field(default=(), strict=False)
    """Its verifier keys of before: nothing is taken under them, and what they signed is shown with them."""

    @model_validator(mode="after")
    def _named_as_in_its_key(self) -> Self:
        if self.verifier.name != self.name:
            raise ValueError("the name is not the one in the verifier key")
        return self


class WitnessSettings(Strict):
    """A witness of the log: the address before `/add-checkpoint`, and the key its cosignatures verify under."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s?#]+$")]
    vkey: WitnessKey

    @property
    def verifier(self) -> CosignatureVerifier:
        """The pinned key."""
        return CosignatureVerifier.parse(self.vkey)


class RetentionSettings(ServiceSettings):
    """What the retention service needs beyond the common settings."""

    services: tuple[CollectedService, ...] = Field(default=(), strict=False)
    """Who destroys, and is asked what."""
    authority: AuthoritySettings | None = None
    """The health authority whose orders, signed by its officers, go into the log."""
    auditor_token_sha256: TokenHash | None = None
    """SHA-256 of the token with which an auditor starts an audit; without it there is the daily one alone."""
    authority_token_sha256: TokenHash | None = None
    """SHA-256 of the token that the authority presents."""
    former: tuple[VerifierKey, ...] = Field(default=(), strict=False)
    """This service's own verifier keys of before, under which its earlier audits were signed."""
    log_key: FilePath | None = None
    """The key that signs the log's checkpoints; without it `log.key` beside the statement key, made at first start."""
    log_former: tuple[VerifierKey, ...] = Field(default=(), strict=False)
    """The log's verifier keys of before: it goes on from what they signed, and signs that anew."""

    witnesses: Annotated[tuple[WitnessSettings, ...], Field(max_length=16, strict=False)] = ()
    """Other organisations that cosign the log's checkpoints."""
    quorum: Annotated[int, Field(ge=0, le=16)] | None = None
    """How many of them must have cosigned a checkpoint before it is published; one when nothing is said."""

    @model_validator(mode="after")
    def _fitting_together(self) -> Self:
        names = [other.name for other in self.services] + [other.verifier.name for other in self.witnesses]
        if len(set(names)) != len(names):
            raise ValueError("two services or witnesses have the same name")
        numbers = [other.issuer for other in self.services if other.issuer is not None]
        if len(set(numbers)) != len(numbers):
            raise ValueError("two services have the same issuer's number")
        if any(vkey.partition("+")[0] != self.log_name for vkey in self.log_former):
            raise ValueError("log_former has a key of another name than the log's")
        if self.needed > len(self.witnesses):
            raise ValueError("the quorum is at most the number of witnesses")
        return self

    @property
    def former_keys(self) -> dict[str, list[str]]:
        """Former verifier keys by their owner's name, of owners that have any."""
        owners = {service.name: service.former for service in self.services}
        owners |= {"retention": self.former, "log": self.log_former}
        return {owner: list(vkeys) for owner, vkeys in owners.items() if vkeys}

    @property
    def needed(self) -> int:
        """The quorum that holds."""
        return min(1, len(self.witnesses)) if self.quorum is None else self.quorum

    @property
    def log_key_path(self) -> Path:
        """Where the log's key lies."""
        return self.log_key or self.statement_key.with_name("log.key")

    @property
    def log_name(self) -> str:
        """The log's origin, by which checkpoints name it."""
        return f"{self.name}/log"
