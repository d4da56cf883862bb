"""How often codes are sent: a pause for each phone, a number a day, and bounds for a network and for all together.

All but the number a day live in memory, of each worker process on its own or of the server that `throttles_dsn_file`
names, and expire in a minute: the only times finer than the day, and never on a disk. The number a day is counted in
the database, for all processes. What counts for a phone is what was sent to it: a message that was refused, or that the
gateway did not take, is given back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from limits import RateLimitItemPerMinute, RateLimitItemPerSecond

from checkin.errors import TooManyRequests
from checkin.files.tables import Tables, Values
from checkin.service.shared_counts import Bound, SharedCounts
from issuer.identity_keys import IdentityKeys
from issuer.settings import IssuerSettings

# At most so many a day; nothing is counted when it is refused.
_COUNT: Final = """INSERT INTO messages (phone, day, sent) VALUES (:phone, :day, 1)
    ON CONFLICT (phone, day) DO UPDATE SET sent = messages.sent + 1 WHERE messages.sent < :most"""
_GIVE_BACK: Final = "UPDATE messages SET sent = messages.sent - 1 WHERE phone = :phone AND day = :day AND sent > 0"
_NO_MORE_TODAY: Final = "This phone was sent as many codes as it gets in a day: try again tomorrow."
_NETWORK_FULL: Final = (
    "Too many registrations come from your network at this moment, and no code was sent: try again in a minute."
)
_ALL_FULL: Final = "Too many people register at this moment, and no code was sent: try again in a minute."
Address = IPv4Address | IPv6Address
_PREFIX: Final = {4: 24, 6: 56}


class MessageThrottle:
    """Bounds how often codes are sent. It looks at no account, so it answers alike for known and unknown phones."""

    def __init__(self, tables: Tables, keys: IdentityKeys, settings: IssuerSettings, shared: SharedCounts) -> None:
        self._tables = tables
        self._keys = keys
        self._a_day = settings.codes_a_day
        together, of_a_network = settings.registrations_a_minute, settings.registrations_a_minute_of_a_network
        self._all = Bound(RateLimitItemPerMinute(together, namespace="all"), _ALL_FULL, shared)
        self._network = Bound(RateLimitItemPerMinute(of_a_network, namespace="network"), _NETWORK_FULL, shared)
        self._had_all = Bound(RateLimitItemPerMinute(1, namespace="had all"), _NO_MORE_TODAY, shared)
        pause = settings.code_cooldown_seconds
        waiting = f"A code is on its way to this phone already: wait {pause} seconds before you ask for another."
        # The whole pause: what is left of it would show any caller to the second when this phone was sent its code.
        item = RateLimitItemPerSecond(1, pause, namespace="phone")
        self._phone = Bound(item, waiting, shared, pause) if pause else None

    @property
    def full(self) -> bool:
        """Whether at this moment the bound of all phones together keeps people from registering."""
        return self._all.full("")

    @contextmanager
    def one(self, phone: str, network: str | None, day: int, tomorrow: float) -> Iterator[None]:
        """Counts a message to a phone in E.164, which the block sends. Raises `TooManyRequests`, with nothing counted,
        if there were too many. A block that fails has sent nothing: its phone may try again at once.

        `tomorrow`: seconds until the next day begins. `network` is what `network_of` says. The bounds of networks and
        of all together count tries, because they bound the requests to the gateway, too.
        """
        mac = self._keys.day_mac(self._keys.current(), day, phone)
        if self._had_all.full(mac.hex()):  # one that tries again and again costs no transaction
            raise TooManyRequests(_NO_MORE_TODAY, tomorrow)
        with ExitStack() as back:
            # The phone first: what is refused to one phone must not use up what others have together.
            if self._phone:
                _take(back, self._phone, mac.hex())
            with ExitStack() as together:
                if network is not None:
                    _take(together, self._network, network)
                _take(together, self._all, "")
                if not self._counted(mac, day):
                    self._had_all.pass_one(mac.hex())
                    raise TooManyRequests(_NO_MORE_TODAY, tomorrow)
                together.pop_all()
            back.callback(self._give_back, mac, day)
            yield
            back.pop_all()

    def _counted(self, mac: bytes, day: int) -> bool:
        """Whether this message is within the number a day."""
        values: Values = {"phone": mac, "day": day, "most": self._a_day}
        return self._tables.write(lambda commit: commit.change(_COUNT, values)) > 0

    def _give_back(self, mac: bytes, day: int) -> None:
        values: Values = {"phone": mac, "day": day}
        self._tables.write(lambda commit: commit.execute(_GIVE_BACK, values))


def _take(back: ExitStack, bound: Bound, key: str) -> None:
    bound.pass_one(key)
    back.callback(bound.give_back, key)


def network_of(peer: str | None, forwarded: Iterable[str], proxies: Sequence[IPv4Network | IPv6Network]) -> str | None:
    """The network that a request comes from, as text, or None where it is not known: /24 of IPv4, /56 of IPv6, which is
    what one customer of a provider has, or less. No address is kept: what counts by network keeps a MAC, for a minute.

    `peer` is the connection's other end, `forwarded` the values of X-Forwarded-For, `proxies` those that are believed.
    A proxy that is believed names its own peer last. With none, a peer in a private network is taken for a proxy that
    is not in the settings: all that it brings must not be one network.
    """

    def believed(address: Address) -> bool:
        return any(address in proxy for proxy in proxies)

    address = _read(peer)
    hops = [hop.strip() for value in forwarded for hop in value.split(",")]
    while address is not None and believed(address) and hops:
        address = _read(hops.pop())
    if address is None or believed(address) or not (proxies or address.is_global):
        return None
    return str(ip_network((address, _PREFIX[address.version]), strict=False))


def _read(text: str | None) -> Address | None:
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
