"""Witnesses of the log: each new checkpoint is shown to all at once, the newest again each day, and their cosignatures
are kept (c2sp.org/tlog-witness, the log's side)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import httpx
import structlog

from checkin.clock import STOPWATCH
from checkin.errors import (
    CheckinError,
    LogConflict,
    NoteMalformed,
    NoteUntrusted,
    NotFound,
    ProofInvalid,
    SettingsInvalid,
    Unreachable,
)
from checkin.files.durable import locked
from checkin.http.exchange import Exchange, open_http
from checkin.protocol.encoding import decimal_decode
from checkin.protocol.note import NoteVerifier, decode_note, join_note, split_note, unverified_text
from checkin.protocol.primitives import sha256
from checkin.protocol.statement import SIMULATED
from checkin.service.identity import ServiceIdentity
from checkin.tlog.checkpoint import Checkpoint, cosignatures, open_checkpoint, stated_size
from checkin.tlog.witness import SIZE_TYPE, AddCheckpoint
from retention.log import Log
from retention.settings import WitnessSettings
from retention.statements import CollectionState, ServiceStatements

MAX_ANSWER: Final = 64 * 1024
TIMEOUT_SECONDS: Final = 5.0
LONGEST_SECONDS: Final = 10.0
_TRIES: Final = 4  # a witness that moves on meanwhile answers with its size; more often than this it is not honest
_REFUSALS: Final[dict[int, type[CheckinError]]] = {
    400: NoteMalformed,
    403: NoteUntrusted,
    404: NotFound,
    409: LogConflict,
    422: ProofInvalid,
}
RETRY_SECONDS = 60.0
log = structlog.get_logger()


class Witnessing:
    """The log's side of showing its checkpoints to witnesses."""

    def __init__(self, log: Log, http: httpx.Client) -> None:
        self._log = log
        self._exchange = Exchange(http, LONGEST_SECONDS, MAX_ANSWER)
        self._seen: dict[str, int] = {}

    def show(self, witness: WitnessSettings) -> None:
        """Shows the newest checkpoint and keeps what the witness signs; the same again renews the time of its line.
        Raises `LogConflict` or `ProofInvalid` when it saw another history of this log: a person has to look."""
        for _ in range(_TRIES):
            note = self._log.checkpoint()
            size = stated_size(note)
            old = self._seen.get(witness.url, 0)
            if old > size:
                raise LogConflict("The witness has seen a longer log than this one: this one was put back.", old)
            request = AddCheckpoint(old, tuple(self._log.consistency(old, size)), note)
            answer = _exchanged(self._exchange, "POST", witness, "add-checkpoint", request)
            self._seen[witness.url] = size if answer.status_code == 200 else _size_in(answer)
            if answer.status_code == 200:
                self._keep(witness, note, size, answer)
                return
        raise LogConflict("The witness names another size each time it is asked.")

    def _keep(self, witness: WitnessSettings, note: str, size: int, answer: httpx.Response) -> None:
        text = unverified_text(note)
        # Only the pinned witness's lines are moved to our checkpoint: others may be anything.
        answered = split_note(join_note(text, [decode_note(answer.content)]))[1]
        key = (witness.verifier.name, witness.verifier.key_id)
        lines = [item.line() for item in answered if (item.name, item.key_id) == key]
        if not lines or not cosignatures(join_note(text, lines), [witness.verifier]):
            raise NoteUntrusted("The witness's answer is not signed with its pinned key.")
        self._log.add_cosignatures(size, lines)


def agrees(exchange: Exchange, witness: WitnessSettings, note: str) -> bool | None:
    """Whether the witness has seen no more than this signed checkpoint, which is shown to it, and no other history;
    None when it does not watch the log under the key that signed it. Raises `NotFound`, `Unreachable` and others."""
    size = stated_size(note)
    answer = _exchanged(exchange, "POST", witness, "add-checkpoint", AddCheckpoint(size, (), note))
    try:
        return answer.status_code == 200 or _size_in(answer) <= size
    except (LogConflict, ProofInvalid):
        return False
    except NoteUntrusted:
        return None


def shown_checkpoint(
    exchange: Exchange, witness: WitnessSettings, log: NoteVerifier, former: Collection[NoteVerifier]
) -> Checkpoint | None:
    """The newest checkpoint of the log that the witness shows to monitors; None unless the log signed it, with this key
    or a `former` one. Raises `Unreachable`."""
    answer = _exchanged(exchange, "GET", witness, f"{sha256(log.name.encode()).hex()}/checkpoint")
    try:
        return open_checkpoint(decode_note(answer.content), log, former=former) if answer.status_code == 200 else None
    except (NoteMalformed, NoteUntrusted):
        return None


def _exchanged(
    exchange: Exchange, method: str, witness: WitnessSettings, path: str, body: AddCheckpoint | None = None
) -> httpx.Response:
    try:
        return exchange.send(method, f"{witness.url.rstrip('/')}/{path}", content=body and body.write().encode())
    except (httpx.HTTPError, httpx.InvalidURL):
        raise Unreachable("The witness did not answer: check its address and that it runs.") from None


def _size_in(answer: httpx.Response) -> int:
    """The size in a 409; raises the error that another refusal stands for."""
    if answer.status_code == 409 and answer.headers.get("content-type", "").startswith(SIZE_TYPE):
        try:
            return decimal_decode(decode_note(answer.content).removesuffix("\n"))
        except ValueError:
            raise NoteMalformed("The witness's answer is not a size.") from None
    refusal = _REFUSALS.get(answer.status_code, Unreachable)
    raise refusal(f"The witness refused the log's head with status {answer.status_code}.")


class Cosigning:
    """Cosigning of one process; the outcome is kept for all of them, in the table `services`."""

    def __init__(
        self, party: ServiceIdentity, ledger: Log, statements: ServiceStatements, witnesses: Sequence[WitnessSettings]
    ) -> None:
        """Raises `SettingsInvalid` for a witness under another kind of clock than ours."""
        if any(witness.verifier.name.endswith(f"/{SIMULATED}") != party.clock.simulated for witness in witnesses):
            raise SettingsInvalid("Real and simulated time do not mix: a witness is under the other one.")
        self._party = party
        self._log = ledger
        self._statements = statements
        self._witnesses = witnesses
        self._http = open_http(TIMEOUT_SECONDS)
        self._witnessing = Witnessing(ledger, self._http)
        self._unasked = {witness.verifier.name for witness in witnesses}  # each start shows whether they know our key
        self._failed: dict[str, float] = {}  # witness → boot seconds of this process's last try, when it failed

    def run(self) -> None:
        """A task, also done after an entry is logged: shows the newest checkpoint to each witness that it has no line
        of today from.

        One that failed is tried again after a minute, so that it delays no other meanwhile.
        """
        if not self._witnesses:
            return
        with locked(self._party.data / "witnesses.lock"):
            note = self._log.checkpoint()
            for witness in self._witnesses:
                if self._is_due(witness, note):
                    self._show(witness)

    def failures(self) -> list[tuple[str, str]]:
        """(witness, code of what failed) of those that did not cosign at the last try."""
        names = [witness.verifier.name for witness in self._witnesses]
        return [(name, failure) for name in names if (failure := self._statements.asking(name).failure)]

    def close(self) -> None:
        """Gives back the connections."""
        self._http.close()

    def _is_due(self, witness: WitnessSettings, note: str) -> bool:
        name = witness.verifier.name
        failed = self._failed.get(name)
        if failed is not None and STOPWATCH.boot() - failed < RETRY_SECONDS:
            return False
        fresh = cosignatures(note, [witness.verifier]) and self._statements.asking(name).asked == self._party.date()
        return name in self._unasked or not fresh

    def _show(self, witness: WitnessSettings) -> None:
        """One that fails does not stop the others."""
        name = witness.verifier.name
        before = self._statements.asking(name)
        try:
            self._witnessing.show(witness)
            self._unasked.discard(name)
            self._failed.pop(name, None)
            after = CollectionState(self._party.date())
        except CheckinError as error:
            self._failed[name] = STOPWATCH.boot()
            log.warning("head_not_cosigned", witness=name, code=error.code)
            after = CollectionState(before.asked, error.code)
        if after != before:
            self._statements.set_asking(name, after)
