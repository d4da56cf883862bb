"""The parties that the authority queries and believes: `parties.toml` in its folder, pinned by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from checkin.errors import SettingsInvalid
from checkin.keys.secret_file import read_token
from checkin.protocol.note import NoteVerifier
from checkin.service.settings import FilePath, LogSettings, Peer, Strict, Url, load_toml


class Counterparty(Peer):
    """A service that takes orders: its answers verify under `vkey`."""

    token_file: FilePath
    """What the authority presents to it; a line of text, for its owner alone."""

    @property
    def verifier(self) -> NoteVerifier:
        """The pinned key; its name is the service's, as orders address it."""
        return NoteVerifier.parse(self.vkey)

    @property
    def token(self) -> str:
        """The bearer token; raises `SettingsInvalid`."""
        return read_token(self.token_file)


class AskedIssuer(Counterparty):
    """An issuer, with the number that visits remember."""

    number: Annotated[int, Field(ge=1, lt=2**32)]


class PublicLog(LogSettings):
    """The log; the authority always puts entries into it."""

    url: Url
    token_file: FilePath


class Parties(Strict):
    """One registry, its issuers, and the log."""

    registry: Counterparty
    issuers: Annotated[tuple[AskedIssuer, ...], Field(min_length=1, max_length=64, strict=False)]
    log: PublicLog

    @model_validator(mode="after")
    def _different(self) -> Self:
        names, numbers = self.names, {issuer.number for issuer in self.issuers}
        if len(set(names)) != len(names) or len(numbers) != len(self.issuers):
            raise ValueError("two parties have the same name or number")
        return self

    @property
    def names(self) -> list[str]:
        """Of the services, the registry's first."""
        return [party.verifier.name for party in (self.registry, *self.issuers)]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises `SettingsInvalid`."""
        return load_toml(cls, path)

    def named(self, name: str) -> Counterparty:
        """The party that a part is addressed to; raises `SettingsInvalid`."""
        for party in (self.registry, *self.issuers):
            if party.verifier.name == name:
                return party
        raise SettingsInvalid(f"The order asks {name}, which is not in parties.toml.")
