"""Parties that a service pins by hand beside its peers: the health authority's officers, and the log with witnesses."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from checkin.errors import CheckinError, SettingsInvalid
from checkin.keys.secret_file import read_token
from checkin.protocol.note import NoteVerifier
from checkin.service.settings import FilePath, Strict, Url, VerifierKey
from checkin.tlog.cosignature import CosignatureVerifier
from checkin.tlog.policy import PinnedLog


def _witness(text: str) -> str:
    try:
        return CosignatureVerifier.parse(text).vkey
    except CheckinError as error:
        raise ValueError(error.detail) from None


WitnessKey = Annotated[str, AfterValidator(_witness)]


class AuthoritySettings(Strict):
    """The health authority: the name in its lists and orders, its officers' keys, and how many of them sign."""

    name: str
    officers: Annotated[tuple[VerifierKey, ...], Field(min_length=1, max_length=32, strict=False)]
    threshold: Annotated[int, Field(ge=1)] = 2

    @model_validator(mode="after")
    def _enough_officers(self) -> Self:
        if len(set(self.officers)) != len(self.officers) or self.threshold > len(self.officers):
            raise ValueError("officers are different, and at least as many as the threshold")
        return self

    @property
    def verifiers(self) -> list[NoteVerifier]:
        """The officers' keys."""
        return [NoteVerifier.parse(vkey) for vkey in self.officers]


class LogSettings(Strict):
    """The log that orders and lists of keys must be in: its key, its witnesses, how many of them cosign (`quorum`)."""

    vkey: VerifierKey
    witnesses: Annotated[tuple[WitnessKey, ...], Field(max_length=16, strict=False)] = ()
    quorum: Annotated[int, Field(ge=0, le=16)] | None = None
    """One when there are witnesses and nothing is said here."""
    url: Url | None = None
    """Where the log takes entries; without it an own list of keys is published without a proof."""
    token_file: FilePath | None = None
    """What is presented there; a line of text, for its owner alone. It goes with `url`."""

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.url is None) != (self.token_file is None):
            raise ValueError("url and token_file go together")
        return self

    @model_validator(mode="after")
    def _enough_witnesses(self) -> Self:
        if self.quorum is not None and self.quorum > len(self.witnesses):
            raise ValueError("the quorum is at most the number of witnesses")
        return self

    @property
    def pinned(self) -> PinnedLog:
        """The same as objects that verify."""
        return PinnedLog.of(self.vkey, self.witnesses, self.quorum)

    @property
    def token(self) -> str:
        """The bearer token; raises `SettingsInvalid`."""
        if self.token_file is None:
            raise SettingsInvalid("The log has no token_file in the settings.")
        return read_token(self.token_file)
