"""Attacker: an issuer that wants to recognise one person at every door, by a signing key that only this person gets.

Tries: to answer one wallet with credentials under another key than everybody's. Control: a wallet that pins nothing and
believes what the answer says beside it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from checkin.clock import Calendar
from checkin.credential import IssuerKey as CredentialKey
from checkin.encoding import b64url_encode
from checkin.errors import ListRefused, UnknownIssuerKey
from checkin.keylist import IssuerKey, IssuerList, issuer_kid, merge
from checkin.note import open_note
from checkin.primitives import SigningKey, random_bytes
from tests.trace.world import DAY, country

CALENDAR = Calendar("Asia/Seoul")


def test_a_key_for_one_person_alone_is_refused_by_the_wallet_and_by_the_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wallet holds credentials against the signed list; the registry never takes a second key for a day."""
    with country(tmp_path / "c") as made:
        person, issuer = made.person(), made.apps["issuer"].state.issuer
        pinned = made.deployment.verifier("issuer")
        marked = SigningKey(random_bytes(32))
        monkeypatch.setattr(issuer.signing, "key", lambda _: marked)
        with pytest.raises(UnknownIssuerKey):
            person.wallet.fetch(DAY, CALENDAR, pinned=pinned)
        # A second list, signed for this person's eyes, contradicts the first one that everybody has.
        with made.client("issuer") as client:
            published = client.get("/v1/keys").json()
        listed = IssuerList.read(open_note(published["list"], [pinned]).text)
        other = {**listed.keys, DAY: IssuerKey(issuer_kid(1, marked.public), marked.public)}
        with pytest.raises(ListRefused):
            merge(listed.keys, other)
        # The control: a wallet that takes the issuer's word for its keys is marked.
        listing = issuer.signing.listed()
        one = CredentialKey(1, marked.public)
        monkeypatch.setattr(issuer.signing, "listed", lambda: listing | {DAY: IssuerKey(one.kid, marked.public)})
        person.wallet.fetch(DAY, CALENDAR)
        assert person.wallet.left(DAY) == 10
        assert b64url_encode(one.kid) not in str(published["keys"])
