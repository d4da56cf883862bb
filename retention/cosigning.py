"""Keeping the log witnessed: a new head is shown to every witness at once, and the newest again each day."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from checkin.clock import SystemClock
from checkin.errors import SettingsInvalid
from checkin.files.durable import locked
from checkin.protocol.statement import SIMULATED
from checkin.service.identity import ServiceIdentity
from checkin.tlog.cosignature import cosignatures
from retention.log import Log
from retention.statements import CollectionState, ServiceStatements
from retention.witnessing import Outcome, PinnedWitness, Witnessing

RETRY_SECONDS = 60.0
_STOPWATCH = SystemClock()  # a simulated clock may stand still
log = structlog.get_logger()


class Cosigning:
    """One per process; how it went is kept for all of them, in the table `services`."""

    def __init__(
        self, party: ServiceIdentity, ledger: Log, statements: ServiceStatements, witnesses: Sequence[PinnedWitness]
    ) -> None:
        """Raises `SettingsInvalid` for a witness under another kind of clock than ours."""
        if any(witness.verifier.name.endswith(f"/{SIMULATED}") != party.clock.simulated for witness in witnesses):
            raise SettingsInvalid("Real and simulated time do not mix: a witness is under the other one.")
        self._party = party
        self._log = ledger
        self._statements = statements
        self._witnesses = witnesses
        self._witnessing = Witnessing(ledger, witnesses)
        self._failed: dict[str, float] = {}  # witness → boot seconds of this process's last try, when it failed

    def run(self) -> None:
        """A task, also done after an entry is logged: asks each witness whose line of today the newest head lacks.

        One that failed is asked again after a minute, so that it holds nobody up meanwhile.
        """
        if not self._witnesses:
            return
        with locked(self._party.data / "witnesses.lock"):
            note = self._log.checkpoint()
            for outcome in self._witnessing.submit([one for one in self._witnesses if self._is_due(one, note)]):
                self._keep(outcome)

    def failures(self) -> list[tuple[str, str]]:
        """(witness, code of what failed) of those that did not cosign when they were asked last."""
        names = [witness.verifier.name for witness in self._witnesses]
        return [(name, failure) for name in names if (failure := self._statements.asking(name).failure)]

    def close(self) -> None:
        """Gives back the connections."""
        self._witnessing.close()

    def _is_due(self, witness: PinnedWitness, note: str) -> bool:
        name = witness.verifier.name
        failed = self._failed.get(name)
        if failed is not None and _STOPWATCH.boot() - failed < RETRY_SECONDS:
            return False
        return not cosignatures(note, [witness.verifier]) or self._statements.asking(name).asked != self._party.date()

    def _keep(self, outcome: Outcome) -> None:
        name, error, before = outcome.witness, outcome.error, self._statements.asking(outcome.witness)
        if error is None:
            self._failed.pop(name, None)
        else:
            self._failed[name] = _STOPWATCH.boot()
            log.warning("head_not_cosigned", witness=name, code=error.code)
        after = CollectionState(before.asked, error.code) if error else CollectionState(self._party.date())
        if after != before:
            self._statements.set_asking(name, after)
