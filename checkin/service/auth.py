"""Bearer tokens: 32 random bytes, stored only as their SHA-256, compared in constant time."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from checkin.errors import Forbidden, Unauthorized
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.primitives import equal, random_bytes, sha256

_scheme = HTTPBearer(auto_error=False, description="Authorization: Bearer TOKEN")


def new_token() -> str:
    """A token of 43 characters; a plain hash of it can be stored, because nobody can guess 32 random bytes."""
    return b64url_encode(random_bytes(32))


def token_hash(token: str) -> bytes:
    """32 bytes, what a service stores."""
    return sha256(token.encode())


def maybe_bearer(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_scheme)]) -> str | None:
    """The token of a request, if there is one. Use as a dependency."""
    return credentials.credentials if credentials else None


MaybeBearer = Annotated[str | None, Depends(maybe_bearer)]


def bearer(token: MaybeBearer) -> str:
    """The token of a request; raises `Unauthorized` when there is none. Use as a dependency."""
    if token is None:
        raise Unauthorized
    return token


Bearer = Annotated[str, Depends(bearer)]


def require(token: str, expected_sha256: str | None) -> None:
    """Raises `Forbidden` unless this is the one token whose hash (64 hex digits) the settings pin."""
    if expected_sha256 is None or not equal(token_hash(token), bytes.fromhex(expected_sha256)):
        raise Forbidden


def pinned(expected_sha256: str | None) -> Any:
    """For a route's `dependencies`: whoever bears no such token is refused before anybody looks at his body."""

    def check(token: Bearer) -> None:
        require(token, expected_sha256)

    return Depends(check)
