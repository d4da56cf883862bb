"""Dependencies that routes share: the issuer behind them, and the holder of the token."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from checkin.service.auth import Bearer
from issuer.identities import Record
from issuer.service import Issuer


async def issuer_of(request: Request) -> Issuer:
    """The issuer that this app serves."""
    issuer: Issuer = request.app.state.issuer
    return issuer


Served = Annotated[Issuer, Depends(issuer_of)]


def subject(token: Bearer, issuer: Served) -> int:
    """The subject that holds the wallet token; raises `Unauthorized`."""
    return issuer.identities.find(token)


async def bearer(token: Bearer, issuer: Served) -> tuple[int, Record]:
    """As `subject`, with what is held about the account, in one look; before a body is judged, so that a caller
    without a valid token gets 401 and nothing else."""
    return await issuer.in_one_thread(issuer.identities.bearer, token)


Subject = Annotated[int, Depends(subject)]
Account = Annotated[tuple[int, Record], Depends(bearer)]
