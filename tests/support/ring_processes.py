"""The three nodes of a key ring as processes, and the machines of a service that use it, under one clock."""

from __future__ import annotations

from pathlib import Path

from checkin.deployment.child import Child, end
from checkin.service.addresses import free_ports
from tests.support.ring_in_process import NODES, Ring, signer
from tests.support.waiting import answers, until


def put_on_ring(config: Path, ring: Ring, key: Path, app: str = "app") -> None:
    """In place of its own key ring; it signs with the service's `key`, which the nodes know."""
    config.with_name("statement.key").write_bytes(key.read_bytes())
    settings = config.read_text(encoding="utf-8").replace('master_key = "master.key"\n', "")
    config.write_text(f"{settings}\n{ring.settings(app)}\n{ring.pinned}", encoding="utf-8")


class RealRing:
    """Three nodes, each a process, whose settings know all the machines with these settings."""

    def __init__(self, folder: Path, service: str, clock: Path, *configs: Path, pinned: str = "") -> None:
        """The `service` signs with the first machine's key. `pinned`: more settings of nodes and machines."""
        key = configs[0].with_name("statement.key")
        self.ring = Ring(folder / "ring", free_ports(3), signer(key, service))
        self.ring.pinned = pinned
        self._clock = clock
        for number, config in enumerate(configs):
            put_on_ring(config, self.ring, key, f"app-{number}" if number else "app")
        self.running: dict[str, Child] = {}

    def start(self, letter: str) -> None:
        """One node; its peers for the time are the two others."""
        others = [peer for name, peer in zip(NODES, self.ring.peers, strict=True) if name != letter]
        peers = "".join(f'[[time_peers]]\nurl = "{peer.url}"\nvkey = "{peer.vkey}"\n' for peer in others)
        config = self.ring.config(letter)
        config.write_text(config.read_text() + peers)
        options = ["--config", str(config), "--simulated-clock", str(self._clock)]
        self.running[letter] = Child(["serve", "ring", *options], self.ring.folder / f"{letter}.log")

    def start_all(self) -> None:
        """And wait until they are ready."""
        for letter in NODES:
            self.start(letter)
        for letter in NODES:
            until(lambda letter=letter: self.ready(letter))  # type: ignore[misc]

    def ready(self, letter: str) -> bool:
        """Whether it answers, and has nothing to say."""
        assert not self.running[letter].ended, self.running[letter].last_words()
        return answers(f"{self.ring.urls[letter]}/readyz")

    def stop(self) -> None:
        """All of them."""
        end(list(self.running.values()))
