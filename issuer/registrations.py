"""Registration: a name and a phone, a one-time code by message, and with it a wallet token.

Every answer is the same whether the phone is known here or not: nothing looks for an account before the code is
right, and every refusal of a code is the same `code_wrong`.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from checkin.errors import CodeWrong
from checkin.files.tables import Commit, Tables, Values
from checkin.purge.clock_guard import ClockGuard
from checkin.service.identity import ServiceIdentity
from issuer import pending
from issuer.accounts import NO_PROOF, Accounts, Proof, WalletKeys
from issuer.contact import Contact
from issuer.identity_keys import IdentityKeys
from issuer.sms import Gateway
from issuer.throttle import MessageThrottle

MAX_TRIES: Final = 5
_USED: Final = MAX_TRIES + 1
# The count and its bound are one statement, so that parallel tries in several processes are as few as tries in turn.
_TRY: Final = """INSERT INTO attempts (id, day, tries) VALUES (:id, :day, 1)
    ON CONFLICT (id) DO UPDATE SET tries = attempts.tries + 1 WHERE attempts.tries < :most"""
_USE: Final = "UPDATE attempts SET tries = :used WHERE id = :id AND tries < :used"
_TEXT: Final = "{code} is your check-in code, valid for 5 minutes. 체크인 인증번호: {code} (5분간 유효)"


class Registrations:
    """Begins and confirms registrations."""

    def __init__(  # noqa: PLR0913 - a registration meets all of these once
        self,
        *,
        party: ServiceIdentity,
        guard: ClockGuard,
        tables: Tables,
        keys: IdentityKeys,
        accounts: Accounts,
        gateway: Gateway,
        throttle: MessageThrottle,
    ) -> None:
        self._party = party
        self._guard = guard
        self._tables = tables
        self._keys = keys
        self._accounts = accounts
        self._gateway = gateway
        self._throttle = throttle

    def begin(self, contact: Contact, network: str | None = None) -> str:
        """Sends a code; the registration_id. Raises `TooManyRequests`, or `Unreachable` when the gateway fails; then
        nothing was sent; `ClockUntrusted`. `network` is what `Networks.of` says."""
        self._guard.require_trusted()
        now = self._party.now()
        code = pending.new_code()
        day = self._party.calendar.day(now)
        with self._throttle.one(contact.phone, network, day, self._party.calendar.start(day + 1) - now):
            self._gateway.send(contact.phone, _TEXT.format(code=code))
        return pending.seal(self._keys.ring, self._keys.current(), contact, code, now)

    def confirm(self, registration: str, code: str, proof: Proof = NO_PROOF) -> WalletKeys:
        """The wallet's keys. Raises `CodeWrong` for whatever is wrong: the code, the id, too late, too often, again;
        then `RecoveryWrong`, which leaves the code to be used; `ClockUntrusted` before a try is counted."""
        self._guard.require_trusted()
        now = self._party.now()
        waiting = pending.read(self._keys.ring, registration)
        if now >= waiting.expires:
            raise CodeWrong
        values: Values = {"id": waiting.id, "day": self._party.calendar.day(now), "most": MAX_TRIES}
        if not self._tables.write(lambda commit: commit.change(_TRY, values)):  # on disk before the code is looked at
            raise CodeWrong
        waiting.check(code, now)
        return self._accounts.register(waiting.contact, proof, partial(_use, waiting.id))

    def forget_before(self, day: int) -> None:
        """Removes counts of earlier days."""

        def step(commit: Commit) -> None:
            commit.execute("DELETE FROM attempts WHERE day < :day", {"day": day})
            commit.execute("DELETE FROM messages WHERE day < :day", {"day": day})

        self._tables.write(step)


def _use(registration: bytes, commit: Commit) -> None:
    if not commit.change(_USE, {"id": registration, "used": _USED}):
        raise CodeWrong
