"""GET /v1/trust by digests: the lists behind them are fetched once, without a token, from any cache on the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import urlencode

from pydantic import BaseModel, Field, ValidationError

from checkin.errors import CheckinError, Unreachable
from checkin.http.asking import Ask, Steps, read_json
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.primitives import random_bytes, sha256

_ROUNDS: Final = 3
Digest = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]
Lists = dict[str, Any]
"""Digest → what it stands for."""


class Told(NamedTuple):
    """An answer with its lists, the nonce and the time of its request, by this machine's clock."""

    answer: Any
    nonce: str
    asked: float


class _Digests(BaseModel):
    own: Digest
    issuers: list[Digest]


def ask_lists(token: str, waiting: int, now: Callable[[], float], lists: Lists) -> Steps[Told]:
    """The registry's answer; so many visits wait here. `lists`, what is known, becomes what the answer needs.

    Where some had to be fetched it is queried once more, so that fetching does not count as the time that the answer
    took. Where a cache on the way has not what the registry named, or the registry knows no digests, the lists are
    requested themselves.
    """
    cached = True
    for left in reversed(range(_ROUNDS)):
        nonce, asked = b64url_encode(random_bytes(16)), now()
        query = {"digests": "true"} if cached and left else {}
        answer = yield Ask(f"/v1/trust?{urlencode({**query, 'nonce': nonce, 'waiting': waiting})}", token)
        try:
            digests = _Digests.model_validate(answer, strict=True)
        except ValidationError:
            return Told(answer, nonce, asked)
        wanted = [digests.own, *digests.issuers]
        for digest in lists.keys() - set(wanted):
            del lists[digest]
        missing = [digest for digest in wanted if digest not in lists]
        if missing:
            cached = yield from _fetch(missing, lists)
        else:
            issuers = [lists[digest] for digest in digests.issuers]
            return Told({**answer, **lists[digests.own], "issuers": issuers}, nonce, asked)
    raise Unreachable("The registry answered with digests where it was asked for lists.")


def _fetch(missing: list[str], lists: Lists) -> Steps[bool]:
    """Whether all that was missing is known now."""
    try:
        for digest in missing:
            # SPEC registry.md §4: "it needs no token, and MUST be asked for without one"
            lists[digest] = _content((yield Ask(f"/v1/lists/{digest}", raw=True)), digest)
    except CheckinError:
        return False
    return True


def _content(data: bytes, digest: str) -> Any:
    # SPEC registry.md §4: "who gets other content MUST refuse it"
    content = read_json(data) if b64url_encode(sha256(data)) == digest else None
    if not isinstance(content, dict):
        raise Unreachable("What answered has not the list that was asked for.")
    return content
