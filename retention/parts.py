"""The parts of one retention service, opened once per process."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from checkin.errors import SettingsInvalid
from checkin.keys.secret_file import make_secret, read_secret, read_token
from checkin.protocol.note import NoteSigner, NoteVerifier
from checkin.protocol.primitives import SigningKey
from checkin.service.identity import ServiceIdentity
from retention.continuity import Continuity
from retention.log import Log
from retention.log_audit import LogAudit
from retention.overview import Overview
from retention.settings import RetentionSettings
from retention.statement_intake import StatementIntake
from retention.statements import ServiceStatements
from retention.witnessing import Cosigning


@dataclass(frozen=True)
class Parts:
    """What routes, page and schedule share."""

    party: ServiceIdentity
    settings: RetentionSettings
    tokens: Mapping[str, str]
    """By service: the token that this one presents to it, and it to this one."""
    statements: ServiceStatements
    log: Log
    log_verifier: NoteVerifier
    cosigning: Cosigning
    intake: StatementIntake
    overview: Overview

    @classmethod
    def open(cls, config: Path, simulated_clock: Path | None = None) -> Self:
        """Raises `SettingsInvalid`, `StorageUnfit`, `SimulationRefused`, `LogConflict`."""
        settings = RetentionSettings.load(config)
        party = ServiceIdentity(settings, simulated_clock)
        statements = ServiceStatements(party.data / "retention.db")
        signer = _log_signer(settings)
        former = [NoteVerifier.parse(vkey) for vkey in settings.log_former]
        outside = Continuity(settings, signer.verifier, former)
        log = Log(party.data / "log", signer, settings.needed, outside, former)
        return cls(
            party=party,
            settings=settings,
            tokens={service.name: read_token(service.token_file) for service in settings.services},
            statements=statements,
            log=log,
            log_verifier=signer.verifier,
            cosigning=Cosigning(party, log, statements, settings.witnesses),
            intake=StatementIntake(party, statements, log, settings.authority),
            overview=Overview(statements, settings.services, party.calendar),
        )

    def look(self) -> LogAudit:
        """The log as it is at this moment, for an audit."""
        name, folder = self.party.settings.name, self.party.data / "log"
        return LogAudit(name, folder, self.log.file, self.log.checkpoint(), self.log_verifier)

    def close(self) -> None:
        """Gives back the files."""
        self.cosigning.close()
        self.statements.close()
        self.log.close()


def _log_signer(settings: RetentionSettings) -> NoteSigner:
    """The signer of the log's checkpoints; a key where none was named is made at first start."""
    if settings.log_key is None and not settings.log_key_path.exists():  # its folder is read-only in a container
        with suppress(FileExistsError):
            make_secret(settings.log_key_path)
    signer = NoteSigner(settings.log_name, SigningKey(read_secret(settings.log_key_path)))
    if signer.verifier.vkey in settings.log_former:
        raise SettingsInvalid("log_former names the key that signs the log now: name the one before it.")
    return signer
