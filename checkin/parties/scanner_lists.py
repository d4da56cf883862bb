"""GET /v1/trust by digests: the lists behind them are fetched once, without a token, from any cache on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from checkin.errors import Unreachable
from checkin.http.client import Client, read_json
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.primitives import random_bytes, sha256

_ROUNDS: Final = 3
Digest = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
Lists = dict[str, Any]
"""Digest → what it stands for."""


class Told(NamedTuple):
    """An answer with its lists, the nonce that it was asked for with, and when, by this machine's clock."""

    answer: Any
    nonce: str
    asked: float


class _Digests(BaseModel):
    own: Digest
    issuers: list[Digest]


def ask_lists(client: Client, waiting: int, now: Callable[[], float], lists: Lists) -> Told:
    """The registry's answer; so many visits wait here. `lists`, what is known, becomes what the answer needs.

    Where some had to be fetched it is asked once more, so that fetching does not count as the time that the answer
    took. A registry that knows no digests gives the lists themselves.
    """
    for _ in range(_ROUNDS):
        nonce, asked = b64url_encode(random_bytes(16)), now()
        answer = client.get("/v1/trust", digests="true", nonce=nonce, waiting=str(waiting))
        try:
            digests = _Digests.model_validate(answer, strict=True)
        except ValidationError:
            return Told(answer, nonce, asked)
        wanted = [digests.own, *digests.issuers]
        missing = [digest for digest in wanted if digest not in lists]
        found = {digest: lists[digest] for digest in wanted if digest in lists} | _fetched(client.url, missing)
        lists.clear()
        lists.update(found)
        if not missing:
            issuers = [lists[digest] for digest in digests.issuers]
            return Told({**answer, **lists[digests.own], "issuers": issuers}, nonce, asked)
    raise Unreachable("The registry's lists changed under our hands: try again.")


def _fetched(url: str, missing: list[str]) -> Lists:
    if not missing:
        return {}
    # SPEC registry.md §4: "it needs no token, and MUST be asked for without one"
    with Client(url) as anyone:
        return {digest: _content(anyone.get_bytes(f"/v1/lists/{digest}"), digest) for digest in missing}


def _content(data: bytes, digest: str) -> Any:
    # SPEC registry.md §4: "who gets other content MUST refuse it"
    content = read_json(data) if b64url_encode(sha256(data)) == digest else None
    if not isinstance(content, dict):
        raise Unreachable("What answered has not the list that was asked for.")
    return content
