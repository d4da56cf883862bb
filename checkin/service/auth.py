"""Bearer tokens: 32 random bytes, stored only as their SHA-256, compared in constant time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel
from starlette.types import Scope

from checkin.errors import Forbidden, Unauthorized
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.primitives import equal, random_bytes, sha256

OPTIONAL: Final = "OptionalBearer"
"""The name under which a token that may be left out is first described."""
_scheme = HTTPBearer(auto_error=False, description="Authorization: Bearer TOKEN")
_optional = HTTPBearer(auto_error=False, scheme_name=OPTIONAL)
_Sent = Annotated[HTTPAuthorizationCredentials | None, Depends(_scheme)]


def new_token() -> str:
    """A token of 43 characters; a plain hash of it can be stored, because 32 random bytes cannot be guessed."""
    return b64url_encode(random_bytes(32))


def token_hash(token: str) -> bytes:
    """32 bytes, what a service stores."""
    return sha256(token.encode())


async def maybe_bearer(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_optional)]) -> str | None:
    """The token of a request, if there is one. Use as a dependency."""
    return credentials.credentials if credentials else None


MaybeBearer = Annotated[str | None, Depends(maybe_bearer)]


async def bearer(credentials: _Sent) -> str:  # on the loop: a thread for it costs more than all it does
    """The token of a request; raises `Unauthorized` when there is none. Use as a dependency."""
    if credentials is None:
        raise Unauthorized
    return credentials.credentials


Bearer = Annotated[str, Depends(bearer)]


def bearer_of(scope: Scope) -> str:
    """As `bearer`, for routes that answer without the framework."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            if scheme.lower() == "bearer" and token:
                return str(token)
    raise Unauthorized


def pinned_hashes(settings: BaseModel) -> frozenset[bytes]:
    """Of all tokens that a service's settings pin, by the names of the settings."""
    values = (getattr(settings, name) for name in type(settings).model_fields if name.endswith("_sha256"))
    return frozenset(bytes.fromhex(value) for value in values if value)


def pinned(expected_sha256: str | None) -> Any:
    """For a route's `dependencies`: a caller is refused before the body is read unless its token has the hash (64 hex
    digits) that the settings pin. `Forbidden` for one that the service knows in another role, else `Unauthorized`."""

    def check(token: Bearer, request: Request) -> None:
        hashed = token_hash(token)
        if expected_sha256 is None or not equal(hashed, bytes.fromhex(expected_sha256)):
            knows: Callable[[bytes], bool] = request.app.state.knows_token
            raise Forbidden if knows(hashed) else Unauthorized

    return Depends(check)
