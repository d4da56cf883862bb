"""The wallet that the command line uses, against an issuer in a process of its own."""

from __future__ import annotations

import pytest

from checkin.errors import CodeWrong, QuotaUsed, Unauthorized
from checkin.http.asking import drive
from checkin.http.client import Client, drive_at
from checkin.parties import wallet
from checkin.protocol import presentation
from checkin.protocol.credential import IssuerKey, IssuerKeys, Mode
from checkin.protocol.encoding import b64url_decode
from tests.support.issuer_service import E164, Site, workers
from tests.support.service_folder import DAY


def test_a_wallet_registers_fetches_shows_and_leaves(site: Site) -> None:
    """Each step as a visitor does it; errors come back as the errors they stand for."""
    with workers(site) as (client,):
        site.list_keys(client)
        url = str(client.base_url)
        registration = drive_at(url, wallet.register("김하나", E164))
        ((_, code),) = site.messages()
        with pytest.raises(CodeWrong):
            drive_at(url, wallet.confirm(url, registration, f"{(int(code) + 1) % 10**8:08}"))
        mine = drive_at(url, wallet.confirm(url, registration, code))
        for mode in (Mode.SCREEN, Mode.PAPER):
            drive_at(url, mine.fetch(DAY, site.calendar, mode))
        assert mine.left(DAY) == 20
        keys = client.get("/v1/keys").json()["keys"]
        listed = IssuerKeys(*(IssuerKey(7, b64url_decode(key["x"])) for key in keys if key["day"] == "2026-11-20"))
        item = drive(mine.open_code(DAY))
        assert item is not None
        text = wallet.present(item, site.clock.now(), site.calendar)
        assert presentation.verify(text, site.clock.now(), site.calendar, lambda _: listed).credential.issuer == 7
        with pytest.raises(QuotaUsed):
            for _ in range(5):
                drive_at(url, mine.fetch(DAY, site.calendar))
        with Client(url, mine.token) as http:
            http.delete("/v1/wallet")
        with pytest.raises(Unauthorized):
            drive_at(url, mine.fetch(DAY + 1, site.calendar))
