"""Registration: a name and a phone, a one-time code by message, and with it a wallet token.

Every answer is the same whether the phone is known here or not: nothing looks for an account before the code is right,
and every refusal of a code is the same `code_wrong`. A registration that waits for its code is kept by the registering
person, sealed, not by the issuer:

    registration_id = nonce 12 ‖ AES-256-GCM(expiry u64be ‖ hash of the code 32 ‖ phone 16 ‖ name 240)

So no name or phone of a registration that is never confirmed lies anywhere at the issuer, and no time finer than the
day. The size is always the same; it shows nothing about the name. The key is the identity key's sub-key.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import partial
from typing import Final

from checkin.errors import CodeWrong, KeyDestroyed, KeyMissing, SealBroken
from checkin.files.tables import Commit, Values
from checkin.keys.key_ring import KeyName, Purpose, ServiceKeys
from checkin.protocol.encoding import b64url_decode, b64url_encode
from checkin.protocol.primitives import (
    AEAD_OVERHEAD,
    Label,
    aead_open,
    aead_seal,
    equal,
    random_below,
    random_bytes,
    sha256,
)
from checkin.service.day_store import DayService
from issuer.accounts import Accounts, WalletKeys
from issuer.contact import MAX_NAME, Contact
from issuer.identities import Identities
from issuer.sms import Gateway
from issuer.throttle import MessageThrottle

MAX_TRIES: Final = 5
_USED: Final = MAX_TRIES + 1
# The count and its bound are one statement, so that parallel tries in several processes are as few as tries in turn.
_TRY: Final = """INSERT INTO attempts (id, day, tries) VALUES (:id, :day, 1)
    ON CONFLICT (id) DO UPDATE SET tries = attempts.tries + 1 WHERE attempts.tries < :most"""
_USE: Final = "UPDATE attempts SET tries = :used WHERE id = :id AND tries < :used"
_TEXT: Final = "{code} is your check-in code, valid for 5 minutes. 체크인 인증번호: {code} (5분간 유효)"
LIFE_SECONDS: Final = 300
CODE_DIGITS: Final = 8  # with six, guessing at many registrations at once took over accounts daily
_NONCE: Final = 12
_PLAIN = struct.Struct(f">Q32s16s{4 * MAX_NAME}s")
_SIZE: Final = _NONCE + _PLAIN.size + AEAD_OVERHEAD
ID_LENGTH: Final = (_SIZE * 4 + 2) // 3  # characters


class Registrations:
    """Begins and confirms registrations."""

    def __init__(
        self,
        service: DayService,
        identities: Identities,
        accounts: Accounts,
        gateway: Gateway,
        throttle: MessageThrottle,
    ) -> None:
        self._party, self._guard = service.party, service.guard
        self._tables, self._keys = identities.tables, identities.keys
        self._accounts = accounts
        self._gateway = gateway
        self._throttle = throttle

    def begin(self, contact: Contact, network: str | None = None) -> str:
        """Sends a code; the registration_id. Raises `TooManyRequests`, or `Unreachable` when the gateway fails; then
        nothing was sent; `ClockUntrusted`. `network` is what `network_of` says."""
        self._guard.require_trusted()
        now = self._party.now()
        code = f"{random_below(10**CODE_DIGITS):0{CODE_DIGITS}}"
        day = self._party.calendar.day(now)
        with self._throttle.one(contact.phone, network, day, self._party.calendar.start(day + 1) - now):
            self._gateway.send(contact.phone, _TEXT.format(code=code))
        return seal_pending(self._keys.ring, self._keys.current(), contact, code, now)

    def confirm(
        self, registration: str, code: str, token: str | None = None, recovery_code: str | None = None
    ) -> WalletKeys:
        """The wallet's keys; `token` or `recovery_code` is of the earlier wallet. Raises `CodeWrong` for whatever is
        wrong: the code, the id, too late, too often, again; then `RecoveryWrong`, which leaves the code to be used;
        `ClockUntrusted` before a try is counted."""
        self._guard.require_trusted()
        now = self._party.now()
        waiting = read_pending(self._keys.ring, registration)
        if now >= waiting.expires:
            raise CodeWrong
        values: Values = {"id": waiting.id, "day": self._party.calendar.day(now), "most": MAX_TRIES}
        if not self._tables.write(lambda commit: commit.change(_TRY, values)):  # on disk before the code is looked at
            raise CodeWrong
        waiting.check(code, now)
        return self._accounts.register(
            waiting.contact, partial(_use, waiting.id), token=token, recovery_code=recovery_code
        )

    def forget_before(self, day: int) -> None:
        """Removes counts of earlier days."""

        def step(commit: Commit) -> None:
            commit.execute("DELETE FROM attempts WHERE day < :day", {"day": day})
            commit.execute("DELETE FROM messages WHERE day < :day", {"day": day})

        self._tables.write(step)


def _use(registration: bytes, commit: Commit) -> None:
    if not commit.change(_USE, {"id": registration, "used": _USED}):
        raise CodeWrong


@dataclass(frozen=True, slots=True)
class Pending:
    """An opened registration; `id` is what is kept of it to count tries, 32 bytes that lead to no person."""

    id: bytes
    contact: Contact
    expires: int
    code_hash: bytes

    def check(self, code: str, now: float) -> None:
        """Raises `CodeWrong` for another code or after the expiry; both are always looked at."""
        right = equal(_code_hash(self.id, code), self.code_hash)
        if not right or now >= self.expires:
            raise CodeWrong


def seal_pending(ring: ServiceKeys, name: KeyName, contact: Contact, code: str, now: float) -> str:
    """The registration_id, good for five minutes; `name` is the identity key in use."""
    key, nonce = ring.subkey(name, Label.SUB_REGISTRATION), random_bytes(_NONCE)
    code_hash = _code_hash(sha256(nonce), code)
    plain = _PLAIN.pack(int(now) + LIFE_SECONDS, code_hash, contact.phone.encode(), contact.name.encode())
    return b64url_encode(nonce + aead_seal(key, nonce, plain, Label.REGISTRATION))


def read_pending(ring: ServiceKeys, text: str) -> Pending:
    """What was sealed; raises `CodeWrong` for anything that was not, as for a wrong code."""
    try:
        sealed = b64url_decode(text, _SIZE)
    except ValueError:
        raise CodeWrong from None
    for name in reversed(ring.names(Purpose.IDENTITY)):
        try:
            key = ring.subkey(name, Label.SUB_REGISTRATION)
            plain = aead_open(key, sealed[:_NONCE], sealed[_NONCE:], Label.REGISTRATION)
        except (SealBroken, KeyDestroyed, KeyMissing):
            continue
        expires, code_hash, phone, person = _PLAIN.unpack(plain)
        contact = Contact(person.rstrip(b"\0").decode(), phone.rstrip(b"\0").decode())
        return Pending(sha256(sealed[:_NONCE]), contact, expires, code_hash)
    raise CodeWrong


def _code_hash(registration: bytes, code: str) -> bytes:
    """Hidden by the seal around it; a hash of so few digits would hide nothing."""
    return sha256(Label.REGISTRATION, registration, code.encode())
