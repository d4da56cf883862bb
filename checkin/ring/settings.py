"""A ring node's settings; `docs/scaling.md` shows all of them at work."""

from __future__ import annotations

from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from checkin.ring.logged import ReadLog
from checkin.service.settings import AuthoritySettings, Peer, ServiceSettings, VerifierKey

NODES: Final = 3


class RingSettings(ServiceSettings):
    """What a node needs beyond the common settings; its `name` and `statement_key` are its own, not the service's."""

    service: VerifierKey
    """Whose keys it holds: the verifier key of the service's statements."""
    apps: Annotated[tuple[VerifierKey, ...], Field(min_length=1, max_length=64, strict=False)]
    """The app nodes that may use keys."""
    members: Annotated[tuple[Peer, ...], Field(min_length=NODES, max_length=NODES, strict=False)]
    """The three nodes of the ring, itself among them; the same in the settings of all three."""
    log: ReadLog | None = None
    """The log that has the service's statements: `url`, `vkey`, `witnesses`, `quorum`. A node fetches no key that
    another commitment was logged for, and no old one that none was logged for."""
    authority: AuthoritySettings | None = None
    """Whose officers may have keys destroyed before they are due; without it none are."""
    maker: str
    """The name of the node that draws new keys; the same in the settings of all three."""

    @model_validator(mode="after")
    def _one_ring(self) -> Self:
        names = [peer.verifier.name for peer in self.members]
        if len({*names}) != NODES or len({peer.url for peer in self.members}) != NODES:
            raise ValueError("members are three different nodes at three addresses")
        if self.name not in names or self.maker not in names:
            raise ValueError("name and maker are names of members")
        if self.workers != 1:
            raise ValueError("a ring node has one worker")
        return self
