"""A second issuer in the folder of a deployment that was made with one, for orders that ask several."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from checkin.deployment.deployment import Deployment, to_toml
from checkin.files.durable import replace_file
from checkin.keys.secret_file import make_secret
from checkin.protocol.note import NoteSigner
from checkin.protocol.primitives import SigningKey
from checkin.service.auth import new_token, token_hash


def add_issuer(deployment: Deployment, issuer: str, port: int) -> None:
    """With a folder of that name; everybody pins it under the number 2."""
    folder = deployment.folder
    (folder / issuer).mkdir()
    make_secret(folder / issuer / "master.key")
    key = SigningKey(make_secret(folder / issuer / "statement.key"))
    peer = {"url": f"http://127.0.0.1:{port}", "vkey": NoteSigner(f"{issuer}.localhost", key).verifier.vkey}
    token = folder / "tokens" / f"retention-{issuer}.token"
    replace_file(token, (new_token() + "\n").encode())
    hashed = token_hash(token.read_text().strip()).hex()
    own = {"name": f"{issuer}.localhost", "listen": f"127.0.0.1:{port}", "issuer": 2}
    # The second issuer takes the first one's tokens: who bears them is not what is tested here.
    common = {"code_cooldown_seconds": 0, "codes_a_day": 1000, "registrations_a_minute": 1_000_000}
    _edit(folder / "issuer" / "settings.toml", lambda values: values | common)
    _edit(
        folder / "issuer" / "settings.toml",
        lambda values: (
            values
            | own
            | {"retention_token_sha256": hashed, "log": values["log"] | {"token_file": f"../tokens/{token.name}"}}
        ),
        folder / issuer / "settings.toml",
    )
    _edit(
        folder / "venue" / "settings.toml",
        lambda values: values | {"issuers": [*values["issuers"], {"number": 2} | peer]},
    )
    service = {"name": f"{issuer}.localhost", "token_file": f"../tokens/{token.name}", "issuer": 2} | peer
    _edit(
        folder / "retention" / "settings.toml",
        lambda values: values | {"services": [*values["services"], service]},
    )
    asked = {"number": 2, "token_file": "../tokens/authority-issuer.token"} | peer
    _edit(
        folder / "authority" / "parties.toml",
        lambda values: values | {"issuers": [*values["issuers"], asked]},
    )


def _edit(path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], to: Path | None = None) -> None:
    values = change(tomllib.loads(path.read_text(encoding="utf-8")))
    (to or path).write_text(to_toml(values), encoding="utf-8")
