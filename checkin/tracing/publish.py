"""Publishing what the officers signed about the authority's day keys: into the log first, then to the issuers.

A list counts with the proof that it is in the log (docs/spec/keys.md §5), so the issuers get both. A statement that
keys were destroyed is public, and stays in the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from checkin.errors import CheckinError, NoteMalformed, NoteUntrusted, ProofInvalid, RequestInvalid
from checkin.http.client import Client, Service
from checkin.parties.authority_folder import AuthorityFolder
from checkin.protocol.key_list import BY_OFFICERS, AuthorityList, CheckedList, DestroyedList
from checkin.protocol.note import decode_note, text_of, unverified_text
from checkin.protocol.statement import kind_of
from checkin.tlog.proof import LogProof
from checkin.tlog.reader import LogReader
from checkin.tlog.submission import proof_of, submit_and_wait
from checkin.tracing.execute import PublicLog
from checkin.tracing.trace import Tell, silent

_ANEW: Final = "Take the file as `checkin authority keys list` or `keys destroy` wrote it."


def read_keys_note(content: str) -> tuple[str, AuthorityList | DestroyedList | CheckedList]:
    """The text, and what it says, of what officers sign about day keys, signed or not; or `NoteMalformed`."""
    kind = BY_OFFICERS.get(kind_of(content))
    if kind is None:
        raise NoteMalformed(f"This is neither a list of day keys nor a statement that some were destroyed. {_ANEW}")
    try:
        text = text_of(content)
        return text, kind.read(text)
    except NoteMalformed as error:
        raise NoteMalformed(f"{error.detail} {_ANEW}") from None


def publish_keys(
    note: str,
    log: PublicLog | None,
    issuers: Mapping[str, str],
    authority: AuthorityFolder | None = None,
    tell: Tell = silent,
) -> tuple[int | None, dict[str, Any]]:
    """Logs a list or a statement where there is a log, and brings a list to the issuers (address → token). The place in
    the log, and what each issuer answered, by its address.

    With `authority` it is first held against its officers, and what is logged is kept in its folder. Raises
    `NoteMalformed`, `NoteUntrusted`, `RequestInvalid`, `NotReady` for a log with witnesses that take too long, and what
    the log and the issuers answer. It can be repeated: the log keeps a text once, issuers pass over what they know.
    """
    text, stated = read_keys_note(note)
    listed = isinstance(stated, AuthorityList)
    if text == note:
        raise NoteUntrusted("Nobody has signed this yet: enough officers do, each with `checkin authority keys sign`.")
    if authority is not None:
        authority.officers.open(note)
    if log is None and not listed:
        raise RequestInvalid("A statement goes into the log: give --dir with a parties.toml, or --log.")
    index, body = None, {"list": note}
    if log is not None:
        with Client(log.url, log.token, wanted=Service.RETENTION) as client:
            proof = submit_and_wait(client, note, log.pinned, tell)
            index, note = proof.index, _logged(client, proof, log, text)
        body = {"list": note, "proof": proof.write()}
        if authority is not None:
            authority.keep_logged(index, note, proof.write())
            _prove_anew(authority, log)
    answers = {}
    for done, (url, token) in enumerate(issuers.items() if listed else ()):
        tell(f"bringing the list to {url}", done, len(issuers))
        with Client(url, token, wanted=Service.ISSUER) as client:
            answers[url] = client.put("/v1/authority-keys", body)
    return index, answers


def _prove_anew(authority: AuthorityFolder, log: PublicLog) -> None:
    """What is kept with a proof that does not verify any more, because the log has another key since."""
    for index, (note, proof) in authority.logged().items():
        try:
            log.pinned.require(note, proof)
        except CheckinError:
            with Client(log.url, log.token) as client:
                if fresh := proof_of(client, index, log.pinned):
                    authority.keep_logged(index, note, fresh.write())


def _logged(client: Client, proof: LogProof, log: PublicLog, text: str) -> str:
    """The note as the log has it: the same text may have been logged before, with other officers' signatures."""
    head = log.pinned.head(proof.checkpoint)
    note = decode_note(LogReader(lambda path: client.get_bytes(f"/{path}"), head).entry(proof.index))
    if unverified_text(note) != text:
        raise ProofInvalid("The log shows another entry in the place that it named.")
    return note
