"""The issuer's page for people: the wallet (docs/pages.md)."""

from __future__ import annotations

from fastapi import APIRouter

from checkin.service.identity import ServiceIdentity
from checkin.service.pwa import WebPage


def routes(party: ServiceIdentity) -> APIRouter:
    """GET /wallet and what belongs to it. The page pins the key that the issuer's lists verify under."""
    values = {"zone": party.calendar.zone, "vkey": party.signer.verifier.vkey}
    return WebPage("wallet", values, background="js/wallet/background.js").router()
