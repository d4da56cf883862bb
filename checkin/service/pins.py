"""Parties that a service pins by hand beside its peers: the health authority's officers, and the log with witnesses."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from checkin.errors import CheckinError
from checkin.log.cosignature import CosignatureVerifier
from checkin.log.pinnedlog import PinnedLog
from checkin.note import NoteVerifier
from checkin.service.settings import Strict, VerifierKey


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
    """The transparency log that orders must be in: its key, and the witnesses of whom `quorum` must have cosigned."""

    vkey: VerifierKey
    witnesses: Annotated[tuple[WitnessKey, ...], Field(max_length=16, strict=False)] = ()
    quorum: Annotated[int, Field(ge=0, le=16)] | None = None
    """One when there are witnesses and nothing is said here."""

    @model_validator(mode="after")
    def _enough_witnesses(self) -> Self:
        if self.quorum is not None and self.quorum > len(self.witnesses):
            raise ValueError("the quorum is at most the number of witnesses")
        return self

    @property
    def pinned(self) -> PinnedLog:
        """The same as objects that verify."""
        return PinnedLog.of(self.vkey, self.witnesses, self.quorum)
