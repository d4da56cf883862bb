"""Batches of credentials, and a ledger that its own issuer cannot read."""

from __future__ import annotations

import httpx

from tests.issuer.world import DAY, Site, ask_batch, register


def test_smoke(site: Site, client: httpx.Client) -> None:
    token = register(site, client)
    answer = ask_batch(client, token)
    assert answer.status_code == 200, answer.text
    print(client.get("/readyz").text)
    print(client.get("/v1/wallet", headers={"Authorization": f"Bearer {token}"}).text)
    for accept in ("application/json", "image/png", "image/svg+xml"):
        r = client.post("/v1/qr", json={}, headers={"Authorization": f"Bearer {token}", "Accept": accept})
        print(r.status_code, r.content[:100])
    print(client.delete("/v1/wallet", headers={"Authorization": f"Bearer {token}"}).text, DAY)
    print(client.get("/v1/keys").text[:300])
    print(client.get("/metrics").text)
    client.get("/openapi.json").raise_for_status()
