"""Bodies and answers of the issuer's routes. Days are integers inside credentials, ISO dates for people."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, StrictBool, StrictInt, StrictStr

from checkin.protocol.credential import DAY_FIRST, DAY_LAST
from checkin.service.body import Body
from checkin.service.key_list_publisher import LogAnswer
from issuer.accounts import MAX_TYPED
from issuer.credential_batches import BATCH_SIZE
from issuer.registrations import CODE_DIGITS, LIFE_SECONDS

Date = Annotated[str, Field(examples=["2026-11-20"])]
HolderKey = Annotated[StrictStr, Field(min_length=43, max_length=43, description="Ed25519 public key, base64url")]


class Registration(Body):
    """The person to register. The phone may be written without its country where the issuer is at home."""

    name: Annotated[StrictStr, Field(examples=["김하나"])]
    phone: Annotated[StrictStr, Field(examples=["010-1234-5678"])]


class RegistrationAnswer(BaseModel):
    """What to confirm, good for five minutes; the name and phone are sealed in it, not kept by the issuer."""

    registration_id: str
    expires_in: Annotated[int, Field(ge=LIFE_SECONDS, le=LIFE_SECONDS)] = LIFE_SECONDS


class Confirmation(Body):
    """The code from the message; and, to keep an account that this phone has, its recovery code."""

    code: Annotated[StrictStr, Field(pattern=rf"^[0-9]{{{CODE_DIGITS}}}$", examples=["03133742"])]
    recovery_code: Annotated[
        StrictStr | None,
        Field(
            max_length=MAX_TYPED,
            description="as it was given, in any case, with or without hyphens and blanks",
            examples=["7K2QF-ZX9M4-C0B8N-W3TJ5-HRD6V"],
        ),
    ] = None


class WalletToken(BaseModel):
    """`Authorization: Bearer` of all wallet routes. Older tokens of the same phone have ended."""

    wallet_token: str
    recovery_code: Annotated[
        str,
        Field(
            description="for the holder to keep apart from the phone: with it a later registration of the same phone "
            "keeps the account. The issuer keeps a hash. One that was used to register stays the same",
            examples=["7K2QF-ZX9M4-C0B8N-W3TJ5-HRD6V"],
        ),
    ]


class BatchRequest(Body):
    """Ten fresh holder keys for today or tomorrow. The private halves stay in the wallet."""

    day: Annotated[StrictInt, Field(ge=DAY_FIRST, le=DAY_LAST, description="days since 1970-01-01", examples=[20777])]
    holder_keys: Annotated[list[HolderKey], Field(min_length=BATCH_SIZE, max_length=BATCH_SIZE)]
    mode: Annotated[StrictInt, Field(ge=0, le=1, description="0 on a screen, 1 printed on paper for the day")] = 0


class Opening(BaseModel):
    """Opens a credential's status commitment: shown at a door only by the visitor's choice."""

    status: Annotated[int, Field(ge=0, le=3, description="0 none, 1 vaccinated, 2 recovered, 3 tested")]
    salt: Annotated[str, Field(description="16 bytes, base64url")]


class BatchAnswer(BaseModel):
    """Credentials and openings in the order of the holder keys."""

    credentials: Annotated[list[str], Field(description="227 bytes each, base64url")]
    status_openings: list[Opening]
    disclosures: Annotated[
        list[dict[str, str]],
        Field(
            description="Receipts about access to this person's record: authority, day, purpose, case, and what was "
            "given (`identified`: name and phone; `codes`: which codes were this person's). docs/spec/order.md §8"
        ),
    ] = []
    time_note: Annotated[
        str | None, Field(description="with a `nonce`: `checkin/time/v1`, by which a wallet sets its own clock right")
    ] = None


class CodeRequest(Body):
    """What the code shows."""

    show_status: StrictBool = False


class CodeAnswer(BaseModel):
    """A code to be drawn as a QR code in alphanumeric mode."""

    token: Annotated[str, Field(examples=["CK1:…"])]
    expires_at: Annotated[str, Field(examples=["2026-11-20T12:00:20+09:00"])]
    shows: Annotated[
        Annotated[int, Field(ge=0, le=3)] | None,
        Field(description="with `show_status`: the status in the code; 0, there is none to show"),
    ] = None
    disclosures: Annotated[
        list[dict[str, str]], Field(description="Receipts about access to this person's record, as with a batch")
    ] = []


class Jwk(BaseModel):
    """RFC 7517 and RFC 8037; `day` is the service day whose credentials it signs."""

    kty: str = "OKP"
    crv: str = "Ed25519"
    alg: str = "Ed25519"
    use: str = "sig"
    kid: Annotated[str, Field(description="4 bytes, base64url")]
    x: Annotated[str, Field(description="32 bytes, base64url")]
    day: Date


class KeysAnswer(BaseModel):
    """The issuer's keys by day; the same in `list`, the signed note that scanners and wallets verify."""

    issuer: Annotated[int, Field(ge=0, le=2**32 - 1)]
    keys: list[Jwk]
    list: str
    proof: Annotated[str | None, Field(description="c2sp.org/tlog-proof of `list`, as it is, in the log")] = None
    log: Annotated[LogAnswer | None, Field(description="the log that the issuer pins")] = None


class ListBody(Body):
    """A signed note of kind `checkin/authority-keys/v1`, and where the issuer pins a log the proof that it is there."""

    list: StrictStr
    proof: Annotated[StrictStr | None, Field(description="c2sp.org/tlog-proof of `list`, as it is, in the log")] = None


class Added(BaseModel):
    """The days for which a key was new."""

    added: list[Date]


class StatusAnswer(BaseModel):
    """A proved status and the first and last service day of which credentials commit to it."""

    status: Annotated[int, Field(ge=1, le=3, description="1 vaccinated, 2 recovered, 3 tested")]
    valid_from: Date
    valid_until: Date


class CertificateBody(Body):
    """An EU digital COVID certificate, as its QR code reads. Only status and days are kept of it."""

    certificate: Annotated[StrictStr, Field(max_length=16384, examples=["HC1:…"])]


class HeldItem(BaseModel):
    """One thing that is held, why, and until when."""

    what: str
    why: str
    until: str


class WalletAnswer(BaseModel):
    """All that this issuer holds about the owner of the token."""

    name: str
    phone: str
    registered: Date
    status: StatusAnswer | None
    days: Annotated[list[Date], Field(description="for which batches were issued and are still held")]
    held: list[HeldItem]
    not_held: list[str]


class Deleted(BaseModel):
    """The account has ended: nothing is issued any more. When the name and phone go with the last record."""

    identity_destroyed_on: Date | None
    backups_unreadable_from: Date
    """The first day on which no backup of the issuer's database shows the name and phone any more."""
    text: str
