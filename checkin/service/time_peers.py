"""Other parties' signed time, queried when our own clock is in doubt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from urllib.parse import urlsplit

import httpx
import structlog

from checkin.clock import STOPWATCH
from checkin.errors import CheckinError, NoteMalformed, NoteUntrusted
from checkin.files.dsn_file import is_here
from checkin.http.asking import read_json
from checkin.http.exchange import Exchange, open_http
from checkin.protocol.encoding import b64url_encode
from checkin.protocol.primitives import random_bytes
from checkin.protocol.signed_time import TIME_STATEMENT, read_time
from checkin.purge.clock_guard import ClockGuard
from checkin.service.identity import KeyVolume
from checkin.service.settings import Peer

TIMEOUT_SECONDS = 5.0
LONGEST_SECONDS = 10.0
_MAX_ANSWER = 16 * 1024
log = structlog.get_logger()


def signed_times(peers: Iterable[Peer], party: KeyVolume) -> Iterator[float]:
    """What each of the pinned parties, queried one after the other, says that the time is, in unix seconds. One that
    does not answer, or answers a note that does not verify, is passed over."""
    for peer in peers:
        try:
            yield _ask(peer, party)
        except (httpx.HTTPError, CheckinError, ValueError) as error:
            log.warning("time_peer_failed", peer=peer.verifier.name, why=type(error).__name__)


def _ask(peer: Peer, party: KeyVolume) -> float:
    nonce = b64url_encode(random_bytes(16))
    asked = STOPWATCH.boot()
    with open_http(TIMEOUT_SECONDS) as http:
        exchange = Exchange(http, LONGEST_SECONDS, _MAX_ANSWER)
        answer = exchange.send("GET", f"{peer.url}/v1/time", params={"nonce": nonce})
    # SPEC days.md §3: "An answer that took longer than ten seconds MUST NOT be believed"
    if STOPWATCH.boot() - asked > LONGEST_SECONDS:
        raise NoteUntrusted("The signed time was held back.")
    body = read_json(answer.raise_for_status().content)
    note = body.get("note") if isinstance(body, dict) else None
    if not isinstance(note, str):
        raise NoteMalformed
    party.open(note, TIME_STATEMENT, [peer.verifier])  # under a clock of our kind
    return read_time(note, peer.verifier, nonce)


def clock_guard(party: KeyVolume) -> ClockGuard:
    """A service's guard. Its state lies beside the keys; earlier versions kept it in `data`."""
    settings, ring = party.settings, party.ring
    # SPEC days.md §3: "A party behind a loopback address has the same clock"
    peers = [peer for peer in settings.time_peers if party.clock.simulated or not _is_here(peer.url)]
    return ClockGuard(
        settings.keys / "clock.json",
        party.clock,
        partial(signed_times, peers, party),
        former=settings.data / "clock.json",
        began=lambda: bool(ring.tombstones() or (settings.ring is None and ring.names())),
    )


def _is_here(url: str) -> bool:
    """Whether an address is this machine's own, whatever is behind it."""
    host = urlsplit(url).hostname or ""
    return is_here(host) or host.endswith(".localhost")
