"""Messages: to a gateway over HTTP, or to a local outbox."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checkin.errors import SettingsInvalid, Unreachable
from issuer.settings import SmsSettings
from issuer.sms import HttpGateway, Outbox
from tests.support.answering_server import AnsweringServer, Heard, Said
from tests.support.issuer_service import E164, Site, begin, confirm, read_code


class Provider(AnsweringServer):
    """An SMS provider's server; `status` is what it answers."""

    def __init__(self) -> None:
        self.received: list[tuple[str | None, Any]] = []
        self.status = 202
        super().__init__(self._answer)

    def _answer(self, heard: Heard) -> Said:
        self.received.append((heard.token, json.loads(heard.body)))
        return Said(b"", self.status)


@pytest.fixture
def provider() -> Iterator[Provider]:
    """It runs."""
    with Provider() as provider:
        yield provider


def _secret(folder: Path, text: str = "gateway-secret\n", mode: int = 0o600) -> Path:
    path = folder / "sms.token"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_a_code_reaches_the_phone_through_the_gateway(tmp_path: Path, provider: Provider) -> None:
    """The whole way: settings, registration, the provider's server, confirmation. Nothing lies in an outbox."""
    _secret(tmp_path)
    site = Site.make(tmp_path / "issuer", sms=f'{{ url = "{provider.url}/send", token_file = "../sms.token" }}')
    with site.serve() as running:
        registration = begin(running.http)
        ((token, message),) = provider.received
        assert token == "Bearer gateway-secret"
        assert message["to"] == E164
        assert confirm(running.http, registration, read_code("\n" + message["text"])).status_code == 201
        assert not (site.folder / "data" / "outbox").exists()
        assert [found for found in running.issuer.findings() if found.name == "sms"] == []


@pytest.mark.parametrize("status", [400, 401, 500])
def test_a_gateway_that_refuses_says_nothing_about_the_phone(tmp_path: Path, provider: Provider, status: int) -> None:
    provider.status = status
    site = Site.make(tmp_path / "issuer", sms=f'{{ url = "{provider.url}/send" }}')
    with site.serve() as running:
        answer = running.http.post("/v1/registrations", json={"name": "x", "phone": E164})
    assert (answer.status_code, answer.json()["code"]) == (503, "unreachable")
    assert E164 not in answer.text
    assert len(provider.received) == 1  # a second attempt could send the message twice


def test_a_gateway_that_is_away_is_an_error_with_advice() -> None:
    gateway = HttpGateway(SmsSettings(url="http://127.0.0.1:9/send", timeout_seconds=1.0))
    with pytest.raises(Unreachable, match="try again"):
        gateway.send(E164, "x")
    gateway.close()


def test_a_gateway_that_took_the_message_and_does_not_answer_lets_the_person_wait_for_it(tmp_path: Path) -> None:
    """It may be on its way: the registration is given, and it counts."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/send"
        settings = {"sms": f'{{ url = "{url}", timeout_seconds = 0.2 }}', "code_cooldown_seconds": "60"}
        site = Site.make(tmp_path / "issuer", **settings)
        with site.serve() as running:
            assert begin(running.http)
            again = running.http.post("/v1/registrations", json={"name": "x", "phone": E164})
    assert (again.status_code, again.json()["code"]) == (429, "too_many_requests")


@pytest.mark.parametrize(("text", "mode"), [("t\n", 0o644), ("", 0o600), ("two words\n", 0o600), ("ä\n", 0o600)])
def test_a_secret_that_is_no_secret_stops_the_start(tmp_path: Path, text: str, mode: int) -> None:
    with pytest.raises(SettingsInvalid, match=r"sms\.token"):
        HttpGateway(SmsSettings(url="http://127.0.0.1:9/send", token_file=_secret(tmp_path, text, mode)))


def test_a_missing_secret_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match="missing"):
        HttpGateway(SmsSettings(url="http://127.0.0.1:9/send", token_file=tmp_path / "none"))


def test_the_outbox_forgets_messages_of_earlier_days(tmp_path: Path) -> None:
    began = [1000.0]
    outbox = Outbox(tmp_path / "outbox", lambda: began[0])
    outbox.send(E164, "first")
    half_written = tmp_path / "outbox" / ".0123.new"  # as a stop of the machine leaves it
    half_written.write_text(f"To: {E164}")
    os.utime(half_written, (1000.0, 1000.0))
    began[0] = 2000.0
    outbox.send(E164, "second")
    outbox.forget_before(2000.0)
    (left,) = (tmp_path / "outbox").iterdir()
    assert left.read_text(encoding="utf-8") == f"To: {E164}\n\nsecond\n"
