"""The retention service's settings; `settings.sample.toml` shows all of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from checkin.note import NoteVerifier
from checkin.service.pins import AuthoritySettings
from checkin.service.settings import FilePath, Peer, ServiceSettings, TokenHash


class Service(Peer):
    """A service that destroys: asked daily at its `url`, its statements believed under its `vkey`."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9.:/-]+$")]
    """The name in its verifier key."""
    token_file: FilePath
    """The token that is shown to the service, and that it shows here; a line of text, for its owner alone."""

    @model_validator(mode="after")
    def _named_as_in_its_key(self) -> Self:
        if NoteVerifier.parse(self.vkey).name != self.name:
            raise ValueError("the name is not the one in the verifier key")
        return self

    @property
    def verifier(self) -> NoteVerifier:
        """The pinned key."""
        return NoteVerifier.parse(self.vkey)


class RetentionSettings(ServiceSettings):
    """What the retention service needs beyond the common settings."""

    services: tuple[Service, ...] = Field(default=(), strict=False)
    authority: AuthoritySettings | None = None
    """Whose orders go into the log, signed by its officers."""
    auditor_token_sha256: TokenHash | None = None
    """SHA-256 of the token with which an auditor asks for an audit; without it there is the daily one alone."""
    authority_token_sha256: TokenHash | None = None
    """SHA-256 of the token that the authority presents."""
    log_key: FilePath | None = None
    """The key that signs the log's heads; without it `log.key` beside the statement key, made at first start."""

    @model_validator(mode="after")
    def _different_services(self) -> Self:
        if len({service.name for service in self.services}) != len(self.services):
            raise ValueError("two services have the same name")
        return self

    @property
    def log_key_path(self) -> Path:
        """Where the log's key lies."""
        return self.log_key or self.statement_key.with_name("log.key")

    @property
    def log_name(self) -> str:
        """The log's origin, by which checkpoints name it."""
        return f"{self.name}/log"
