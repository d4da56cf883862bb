"""Messages with one-time codes: one small interface, an HTTP gateway, and a local outbox to try things out."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

import httpx
import structlog

from checkin.errors import Unreachable
from checkin.files.durable import open_private, private_folder
from checkin.http.exchange import open_http
from checkin.keys.secret_file import read_token
from checkin.protocol.primitives import random_bytes
from issuer.settings import SmsSettings

_NOT_SENT: Final = "The message with the code could not be sent: try again in a minute."
log = structlog.get_logger()


class Gateway(Protocol):
    """Sends a text to a phone in E.164."""

    def send(self, to: str, text: str) -> None:
        """Returns when the message was taken, or may have been; raises `Unreachable` when it surely was not. Neither
        argument is ever logged."""

    def close(self) -> None:
        """Gives back connections."""


class HttpGateway:
    """POST {"to": "+821012345678", "text": "…"} as JSON with a bearer token; any 2xx means taken.

    Most providers need a small adapter in front (docs/operating.md).
    """

    def __init__(self, settings: SmsSettings) -> None:
        """Raises `SettingsInvalid` when the token's file is missing or readable by others."""
        token = read_token(settings.token_file) if settings.token_file else None
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._url = settings.url
        self._http = open_http(settings.timeout_seconds, headers=headers)

    def send(self, to: str, text: str) -> None:
        """One attempt: a second one might send the message twice. A gateway that took the request and does not answer
        in time may still send it, so the person is let wait for it, and it counts."""
        try:
            answer = self._http.post(self._url, json={"to": to, "text": text})
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            log.warning("sms_gateway_failed", type=type(error).__name__)
            raise Unreachable(_NOT_SENT) from None
        except httpx.HTTPError as error:
            log.warning("sms_gateway_silent", type=type(error).__name__)
            return
        if not answer.is_success:
            log.warning("sms_gateway_refused", status=answer.status_code)
            raise Unreachable(_NOT_SENT)

    def close(self) -> None:
        """Gives back connections."""
        self._http.close()


class Outbox:
    """A folder in place of a gateway: a file a message, mode 0600, under a random name.

    The first line is `To: +821012345678`, then an empty line and the text. This is the one place where a phone
    and a code lie in plaintext on the issuer's disk, which is why `/readyz` warns of it.
    """

    def __init__(self, folder: Path, stamp: Callable[[], float]) -> None:
        """`stamp`: unix seconds at which today began, the modification time that a message bears. The file system may
        keep a birth and a change time of its own beside it."""
        private_folder(folder)
        self._folder = folder
        self._stamp = stamp

    def send(self, to: str, text: str) -> None:
        """Written whole or not at all."""
        name = random_bytes(16).hex()
        draft = self._folder / f".{name}.new"
        descriptor = open_private(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"To: {to}\n\n{text}\n")
        stamp = self._stamp()
        os.utime(draft, (stamp, stamp))
        draft.rename(self._folder / f"{name}.txt")

    def forget_before(self, start: float) -> None:
        """Removes the messages of days that began before `start` (unix seconds), half-written ones too."""
        for path in self._folder.iterdir():
            with suppress(FileNotFoundError):  # another worker was faster
                if path.stat().st_mtime < start:
                    path.unlink()

    def close(self) -> None:
        """Nothing to give back."""
