"""What the issuer adds to its own audit: a sample of tokens, decoded field by field.

Some are made for the audit, by the same code and with the same keys as all, but for no account; some are unused
codes of hosted wallets. None of them leaves this process, and no value of them is in what is signed.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from checkin.audit.list_audit import GivenList, given_lists
from checkin.audit.point import Point, seen
from checkin.audit.self_audit import TOKENS, SelfAudit
from checkin.audit.token_check import check_tokens
from checkin.protocol import presentation
from checkin.protocol.credential import IssuerKey, IssuerKeys, Mode, Status
from checkin.protocol.primitives import SigningKey, random_bytes
from issuer.service import Issuer

MAP: Final = Path(__file__).parent / "data_map.toml"
MADE: Final = 4
HOSTED: Final = 20
NOBODY: Final = 2**64 - 1  # subject numbers are below 2⁶³


def self_audit(issuer: Issuer) -> SelfAudit:
    """The issuer's audit of itself."""
    return issuer.audit(issuer.purger, MAP, partial(_token_sample, issuer), partial(_given_lists, issuer))


def _given_lists(issuer: Issuer) -> Iterator[Point]:
    party, published = issuer.party, issuer.lists.published()
    own = [GivenList("its own", published.note, published.proof)]
    return given_lists(party.signer.name, issuer.lists.pinned, own, party.ring, party.today())


def _token_sample(issuer: Issuer) -> Iterator[Point]:
    """One line about codes of today."""
    day = issuer.party.today()
    listed = issuer.signing.listed()
    keys = IssuerKeys(*(IssuerKey(issuer.signing.issuer, key.public) for at, key in listed.items() if at == day))
    made = [_make_code(issuer, day, shown=number % 2 == 1) for number in range(MADE)]
    hosted = issuer.hosted.sample(day, HOSTED)
    good = (
        f"{len(made)} codes made for the audit and {len(hosted)} unused ones of hosted wallets were decoded: every "
        "byte is a field of the specification, and no two share an id, a key or a seal."
    )
    yield seen(TOKENS, issuer.party.signer.name, check_tokens([*made, *hosted], issuer.party.calendar, keys), good)


def _make_code(issuer: Issuer, day: int, *, shown: bool) -> str:
    """A code of the usual form, for no account: its seal opens to a number that no account has."""
    holder = SigningKey(random_bytes(32))
    entry = issuer.batches.entry(NOBODY, day, "", 1)
    [made] = issuer.batches.credentials(entry, Mode.SCREEN, Status.NONE, [holder.public])
    token = presentation.present(made.credential, holder, int(issuer.party.now()), made.opening if shown else None)
    return presentation.to_text(token)
