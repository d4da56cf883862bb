"""The issuer's settings; `settings.sample.toml` shows and explains all of them."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated

import phonenumbers
from pydantic import AfterValidator, BeforeValidator, Field

from checkin.clock import RETENTION_DAYS
from checkin.service.day_store import DaySettings
from checkin.service.settings import AuthoritySettings, FilePath, LogSettings, Strict, TokenHash


def _known_region(region: str) -> str:
    if region not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError("not a country that phone numbers have, like KR")
    return region


def _network(text: object) -> IPv4Network | IPv6Network:
    if not isinstance(text, str):
        raise ValueError("not an address or a network, like 127.0.0.1 or 10.0.0.0/8")  # noqa: TRY004 - pydantic's
    return ip_network(text)


Region = Annotated[str, AfterValidator(_known_region)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]


class SmsSettings(Strict):
    """An HTTP gateway: one-time codes go to `url` as POST {"to": "+82…", "text": "…"}."""

    url: Annotated[str, Field(pattern=r"^https?://[^\s]+$")]
    token_file: FilePath | None = None
    """Holds what is sent as `Authorization: Bearer`; readable by its owner alone."""
    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 10.0


class IssuerSettings(DaySettings):
    """What the issuer needs beyond the common settings."""

    issuer: Annotated[int, Field(ge=1, lt=2**32)]
    """The number by which visits and trust lists know this issuer."""
    authority: AuthoritySettings
    """The health authority whose listed keys subjects are sealed to, pinned by hand."""
    authority_token_sha256: TokenHash
    log: LogSettings | None = None
    """The log that the authority's orders must be in; without it none is executed."""
    sms: SmsSettings | None = None
    """Without it messages are written to the folder `outbox` under `data`: for trying out, not for visitors."""
    phone_region: Region = "KR"
    """The country that codes are sent to, on mobile phones; also that of a phone written without one."""
    phone_regions: tuple[Region, ...] = Field(default=(), strict=False)
    """Further countries that codes are sent to, on mobile phones; each costs what messages there cost."""
    code_cooldown_seconds: Annotated[int, Field(ge=0, le=3600)] = 60
    """How long a phone waits for its next code."""
    codes_a_day: Annotated[int, Field(ge=1, le=1000)] = 5
    """How many codes a phone is sent in a day."""
    registrations_a_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 600
    """Of all phones together, in each worker process: two workers send twice as many, unless all count at the server
    of `throttles_dsn_file`."""
    registrations_a_minute_of_a_network: Annotated[int, Field(ge=1, le=1_000_000)] = 60
    """Of one network (/24 of IPv4, /56 of IPv6), likewise; clearly fewer than of all together. Counted
    where the issuer sees addresses of the internet, by itself or from one of the `proxies`."""
    proxies: tuple[Network, ...] = Field(default=(), strict=False)
    """Addresses of proxies whose X-Forwarded-For is believed, as ["127.0.0.1"]; that of others is ignored. A proxy
    must put the address it hears from at its end (nginx: `$proxy_add_x_forwarded_for`)."""
    batches_a_day: Annotated[int, Field(ge=1, le=100)] = 6
    """How many batches of ten credentials a phone gets for one day, also if its account is deleted and made again."""
    idle_days: Annotated[int, Field(ge=1, le=RETENTION_DAYS)] = RETENTION_DAYS
    """An account expires so many days after the last day that it was registered or issued anything for. At most 28:
    after that nothing is left that could show when it was used, and names would outlive what they are kept for."""
    certificate_trust: FilePath | None = None
    """Signer certificates (PEM or base64 DER) that vaccination proofs must be signed by."""
