"""The issuer's published keys, and the authority's list that it takes."""

from __future__ import annotations

from fastapi import APIRouter, Response

from checkin.errors import Forbidden, ListRefused, NoteMalformed, NoteUntrusted, ProofInvalid
from checkin.protocol.encoding import b64url_encode
from checkin.service.auth import pinned
from checkin.service.body import NOT_MODIFIED, IfNoneMatch, answer_unless_known
from checkin.service.describe import problem_answers
from issuer.models import Added, Jwk, KeysAnswer, ListBody
from issuer.service import Issuer

MAX_LIST_BYTES = 256 * 1024
AUTHORITY_KEYS = "/v1/authority-keys"


def routes(issuer: Issuer) -> APIRouter:
    """What all may read, and what the authority brings."""
    router = APIRouter(tags=["keys"])

    @router.get("/v1/keys", response_model=KeysAnswer, responses=NOT_MODIFIED)
    def list_keys(if_none_match: IfNoneMatch = None) -> Response:
        """List keys that credentials verify under, by service day, 14 days ahead; the first key listed for a day is
        final.

        Once a log is pinned, the newest list that it holds, with the proof; a newer one waits until it is there.
        """
        date, published = issuer.party.calendar.date, issuer.lists.published()
        answer = KeysAnswer(
            issuer=issuer.settings.issuer,
            keys=[
                Jwk(kid=b64url_encode(key.kid), x=b64url_encode(key.public), day=date(day))
                for day, key in published.list.keys.items()
            ],
            list=published.note,
            proof=published.proof,
            log=issuer.lists.log,
        )
        content = answer.model_dump_json().encode()
        return answer_unless_known(content, content, if_none_match)

    @router.put(
        AUTHORITY_KEYS,
        dependencies=[pinned(issuer.settings.authority_token_sha256)],
        responses=problem_answers(NoteMalformed, NoteUntrusted, ProofInvalid, ListRefused, Forbidden),
    )
    def authority_keys(body: ListBody) -> Added:
        """Take the authority's day keys: a note that enough of its officers signed, and the proof that it is in the
        log, once the settings pin one.

        A list may repeat days; one that names another key for a day than the first list did is refused as a whole.
        Days further than fifteen days ahead are passed over: bring them later.
        """
        added = issuer.authority.accept(body.list, body.proof)
        return Added(added=[issuer.party.calendar.date(day) for day in added])

    return router
