"""Checks, before the log signs after a start, that its data folder is the newest there is (docs/spec/log.md §7).

A database that was put back from a backup would sign a second checkpoint of a size that it has signed before. So what
was signed last is kept beside the key ring, which is never backed up, and the services and witnesses are queried for
the checkpoint of this log that they saw last.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from typing import Final

import structlog

from checkin.errors import CheckinError, LogBehind, NotFound
from checkin.files.durable import replace_file
from checkin.http.client import Client
from checkin.http.exchange import Exchange, open_http
from checkin.protocol.note import NoteVerifier, signed_by
from checkin.tlog.checkpoint import open_checkpoint
from retention.log_state import Head
from retention.settings import RetentionSettings, WitnessSettings
from retention.witnessing import LONGEST_SECONDS, MAX_ANSWER, TIMEOUT_SECONDS, agrees, shown_checkpoint

SIGNED_FILE: Final = "signed-head.json"
PEER_SECONDS: Final = 3.0
_PUT_BACK: Final = "put back its newest data folder, or make a new log (docs/operating.md, Backups)."
log = structlog.get_logger()


class Continuity:
    """What is known of a log outside its own folder."""

    def __init__(self, settings: RetentionSettings, verifier: NoteVerifier, former: Collection[NoteVerifier]) -> None:
        """The services of the settings keep the newest checkpoint that they verified; `former` keys of the log count as
        long as its folder has nothing that the present one, `verifier`, signed."""
        self._path = settings.keys / SIGNED_FILE
        self._verifier = verifier
        self._former = tuple(former)
        self._peers = [service.url for service in settings.services]
        self._witnesses = settings.witnesses

    def require(self, head: Head, root_at: Callable[[int], bytes | None], note: str | None) -> None:
        """Raises `LogBehind` unless everything that was ever signed and is known of leads to `head`.

        `root_at` gives the root of an earlier tree head, `note` is the newest signed checkpoint in the folder. A party
        that does not answer is passed over, unless nothing is known from beside the key ring either.
        """
        if note is not None and signed_by(note, self._verifier):
            self._former = ()  # this folder knows all that they signed: what it does not know is a thief's
        signed = self._signed()
        if signed is not None:
            _compare(f"The file {SIGNED_FILE} beside the key ring", signed, head, root_at)
        answers = [self._ask_peer(url, head, root_at) for url in self._peers]
        answers += [
            self._ask_witness(witness, note, head, root_at, recorded=signed is not None)
            for witness in self._witnesses
            if note is not None
        ]
        if signed is None and head.size > 0 and answers and not any(answers):
            raise LogBehind(
                "Nobody could say which checkpoint of this log is the newest, and the record beside the key ring is "
                "missing. It is asked again; nothing is signed until a service or a witness answers."
            )

    def sign(self, head: Head) -> None:
        """Keeps what is about to be signed; on the disk when this returns."""
        if self._signed() != head:
            replace_file(self._path, json.dumps({"size": head.size, "root": head.root.hex()}).encode())

    def _signed(self) -> Head | None:
        try:
            kept = json.loads(self._path.read_bytes())
            return Head(int(kept["size"]), bytes.fromhex(kept["root"]))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise LogBehind(f"{SIGNED_FILE} beside the key ring cannot be read: nothing is signed.") from None

    def _ask_peer(self, url: str, head: Head, root_at: Callable[[int], bytes | None]) -> bool:
        """Whether it answered with a checkpoint that this log signed, or that it has seen none."""
        try:
            with Client(url, timeout=PEER_SECONDS) as client:
                note = client.get("/v1/checkpoint")["checkpoint"]
            if note is None:
                return True
            seen = open_checkpoint(str(note), self._verifier, former=self._former)
        except (CheckinError, ValueError, KeyError, TypeError) as error:
            log.warning("checkpoint_not_told", peer=url, why=type(error).__name__)
            return False
        _compare(url, Head(seen.size, seen.root), head, root_at)
        return True

    def _ask_witness(
        self, witness: WitnessSettings, note: str, head: Head, root_at: Callable[[int], bytes | None], *, recorded: bool
    ) -> bool:
        """Whether it answered. It is shown what was signed already, so the query signs nothing new.

        A refusal is not signed, so it counts as far as the witness shows a checkpoint that this log signed; what it
        only claims stops a log that has no record of its own (`recorded`).
        """
        name = witness.verifier.name
        try:
            with open_http(TIMEOUT_SECONDS) as http:
                exchange = Exchange(http, LONGEST_SECONDS, MAX_ANSWER)
                agreed = agrees(exchange, witness, note)
                if agreed:
                    return True
                shown = shown_checkpoint(exchange, witness, self._verifier, self._former)
        except NotFound:  # it does not watch this log yet
            return True
        except CheckinError as error:
            log.warning("checkpoint_not_told", peer=name, why=type(error).__name__)
            return False
        if shown is not None:
            _compare(f"The witness {name}", Head(shown.size, shown.root), head, root_at)
        if agreed is None:
            return shown is not None
        if not recorded:
            raise LogBehind(
                f"The witness {name} claims to have seen another history of this log, and the record beside the key "
                f"ring is missing. It is asked again; if it stays so, {_PUT_BACK}"
            )
        log.warning("witness_claim_unproved", peer=name)
        return False


def _compare(who: str, seen: Head, head: Head, root_at: Callable[[int], bytes | None]) -> None:
    if seen.size > head.size or root_at(seen.size) != seen.root:
        text = f"{who} has a checkpoint of {seen.size} entries that the log's database does not know: {_PUT_BACK}"
        raise LogBehind(text)
