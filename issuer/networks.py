"""Which network a request comes from: /24 of IPv4, /56 of IPv6.

So many addresses are what one customer of a provider has, or less. No address is kept: what counts by network keeps a
MAC of it, for a minute (checkin/service/shared_counts.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

Address = IPv4Address | IPv6Address
_PREFIX: Final = {4: 24, 6: 56}


class Networks:
    """One per process; `proxies` are those whose X-Forwarded-For is believed, none by default."""

    def __init__(self, proxies: Sequence[IPv4Network | IPv6Network]) -> None:
        self._proxies = proxies

    def of(self, peer: str | None, forwarded: Iterable[str] = ()) -> str | None:
        """The network as text, or None where it is not known.

        `peer` is the connection's other end, `forwarded` the values of X-Forwarded-For. A proxy that is believed names
        whom it heard from last. With none, a peer in a private network is taken for a proxy that nobody named: all that
        it brings must not be one network.
        """
        address = _read(peer)
        hops = [hop.strip() for value in forwarded for hop in value.split(",")]
        while address is not None and self._believed(address) and hops:
            address = _read(hops.pop())
        if address is None or self._believed(address) or not (self._proxies or address.is_global):
            return None
        return str(ip_network((address, _PREFIX[address.version]), strict=False))

    def _believed(self, address: Address) -> bool:
        return any(address in proxy for proxy in self._proxies)


def _read(text: str | None) -> Address | None:
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address
