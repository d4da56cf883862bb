"""POST /v1/registrations, and its confirmation."""

from __future__ import annotations

from fastapi import APIRouter

from checkin.errors import CodeWrong, NameInvalid, PhoneInvalid, TooManyRequests, Unreachable
from checkin.service.describe import problem_answers
from issuer.contact import read_contact
from issuer.models import Confirmation, Registration, RegistrationAnswer, WalletToken
from issuer.routes.common import BODY, Served

router = APIRouter(prefix="/v1/registrations", tags=["registration"])


@router.post(
    "",
    status_code=202,
    responses=problem_answers(NameInvalid, PhoneInvalid, TooManyRequests, Unreachable, *BODY),
)
def begin(body: Registration, issuer: Served) -> RegistrationAnswer:
    """Send a one-time code to a phone.

    The answer is the same whether the phone is known here or not. A name has 1 to 60 characters, a letter among
    them, nothing invisible, and does not begin like a spreadsheet formula. It is a mobile phone of a country
    that this issuer sends messages to, and gets one code a minute and five a day.
    """
    settings = issuer.settings
    contact = read_contact(body.name, body.phone, settings.phone_region, settings.phone_regions)
    return RegistrationAnswer(registration_id=issuer.registrations.begin(contact))


@router.post("/{registration_id}/confirm", status_code=201, responses=problem_answers(CodeWrong, *BODY))
def confirm(registration_id: str, body: Confirmation, issuer: Served) -> WalletToken:
    """Answer with the code; five tries, five minutes, once.

    The same phone is the same account: its wallet tokens from before end now, and the name is the one given last.
    Whatever is wrong, the refusal is `code_wrong`.
    """
    return WalletToken(wallet_token=issuer.registrations.confirm(registration_id, body.code))
