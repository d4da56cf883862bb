"""POST /v1/registrations, and its confirmation."""

from __future__ import annotations

from fastapi import APIRouter, Request

from checkin.errors import (
    ClockUntrusted,
    CodeWrong,
    NameInvalid,
    PhoneCountry,
    PhoneInvalid,
    PhoneNotMobile,
    RecoveryWrong,
    TooManyRequests,
    Unreachable,
)
from checkin.service.auth import MaybeBearer
from checkin.service.describe import problem_answers
from issuer.contact import read_contact
from issuer.models import Confirmation, Registration, RegistrationAnswer, WalletToken
from issuer.routes.common import Served
from issuer.throttle import network_of

router = APIRouter(prefix="/v1/registrations", tags=["registration"])


@router.post(
    "",
    status_code=202,
    responses=problem_answers(
        NameInvalid, PhoneInvalid, PhoneCountry, PhoneNotMobile, TooManyRequests, Unreachable, ClockUntrusted
    ),
)
def register(body: Registration, request: Request, issuer: Served) -> RegistrationAnswer:
    """Send a one-time code to a phone.

    The answer is the same whether the phone is known here or not. A name has 1 to 60 characters, a letter among
    them, nothing invisible, and does not begin like a spreadsheet formula. It is a mobile phone of a country
    that this issuer sends messages to, and gets one code a minute and five a day; a network of addresses, and all
    together, get so many a minute. A refusal says that nothing was sent.
    """
    settings = issuer.settings
    contact = read_contact(body.name, body.phone, settings.phone_region, settings.phone_regions)
    peer = request.client.host if request.client else None
    network = network_of(peer, request.headers.getlist("x-forwarded-for"), settings.proxies)
    return RegistrationAnswer(registration_id=issuer.registrations.begin(contact, network))


@router.post(
    "/{registration_id}/confirm",
    status_code=201,
    responses=problem_answers(CodeWrong, RecoveryWrong, ClockUntrusted),
)
def confirm_registration(registration_id: str, body: Confirmation, issuer: Served, earlier: MaybeBearer) -> WalletToken:
    """Answer with the code; five tries, five minutes, once. Whatever is wrong, the refusal is `code_wrong`.

    A phone number is no identity. Who registers a phone again and shows that the account is theirs (its
    `recovery_code`, or `Authorization: Bearer` with the token of the earlier wallet) keeps it, under the name given
    last. Without that it is a new account: an earlier one of the same phone ends, as with `DELETE /v1/wallet`.
    Either way earlier tokens end. A proof that is not of this phone's account is `recovery_wrong` and changes nothing.
    """
    keys = issuer.registrations.confirm(registration_id, body.code, earlier, body.recovery_code)
    return WalletToken(wallet_token=keys.token, recovery_code=keys.recovery_code)
