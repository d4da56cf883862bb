"""Registering: what a visitor gets, and what somebody who guesses, probes or steals gets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from checkin.clock import SystemClock
from checkin.errors import CodeWrong, TooManyRequests, Unreachable
from checkin.files.tables import Values
from checkin.keys.key_ring import KeyName, Purpose
from checkin.protocol.encoding import b64url_decode, b64url_encode
from issuer.contact import Contact
from issuer.registrations import CODE_DIGITS, ID_LENGTH, MAX_TRIES, Pending
from issuer.service import Issuer
from issuer.settings import IssuerSettings
from tests.support.issuer_service import E164, NAME, Site, begin, confirm, register, rows_in
from tests.support.service_folder import DAY, bearer


@pytest.fixture
def opened(site: Site) -> Iterator[Issuer]:
    """Objects without a server."""
    with site.open() as issuer:
        yield issuer


def _begin(site: Site, issuer: Issuer, phone: str = E164) -> tuple[str, str]:
    """A registration_id and its code."""
    before = set(site.messages())
    registration = issuer.registrations.begin(Contact(NAME, phone))
    return registration, next(code for to, code in set(site.messages()) - before if to == phone)


def _other(code: str, step: int = 1) -> str:
    return f"{(int(code) + step) % 10**CODE_DIGITS:0{CODE_DIGITS}}"


def test_a_visitor_with_the_right_code_gets_a_wallet(site: Site, client: httpx.Client) -> None:
    token = register(site, client)
    held = client.get("/v1/wallet", headers=bearer(token)).json()
    assert (held["name"], held["phone"], held["registered"]) == (NAME, E164, "2026-11-20")
    assert held["days"] == []
    assert held["status"] is None


def test_an_answer_does_not_tell_whether_a_phone_is_known(site: Site, client: httpx.Client) -> None:
    """Same status, same headers, same length, whoever asks for whatever name."""
    register(site, client)
    answers = [
        client.post("/v1/registrations", json={"name": name, "phone": phone})
        for name, phone in [("A", "010-1234-5678"), ("한" * 60, "010-8765-4321"), ("B" * 60, "010-2233-4455")]
    ]
    assert {answer.status_code for answer in answers} == {202}
    assert {len(answer.content) for answer in answers} == {len(answers[0].content)}
    assert {tuple(answer.json()) for answer in answers} == {("registration_id", "expires_in")}
    assert {len(answer.json()["registration_id"]) for answer in answers} == {ID_LENGTH}


def test_nothing_looks_for_an_account_before_the_code_is_right(
    site: Site, opened: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So there is no difference in time either."""
    monkeypatch.setattr(opened.accounts, "register", _never)
    monkeypatch.setattr(opened.identities, "find", _never)
    registration, code = _begin(site, opened)
    with pytest.raises(CodeWrong):
        opened.registrations.confirm(registration, _other(code))


def test_after_five_wrong_codes_the_right_one_is_refused_in_the_same_words(site: Site, client: httpx.Client) -> None:
    registration = begin(client)
    ((_, code),) = site.messages()
    answers = [confirm(client, registration, _other(code, step)) for step in range(1, 6)]
    answers.append(confirm(client, registration, code))
    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.text for answer in answers}) == 1
    assert answers[0].json()["code"] == "code_wrong"


def test_the_fifth_try_still_counts(site: Site, opened: Issuer) -> None:
    registration, code = _begin(site, opened)
    for step in range(1, 5):
        with pytest.raises(CodeWrong):
            opened.registrations.confirm(registration, _other(code, step))
    assert opened.registrations.confirm(registration, code)


def test_who_guesses_all_day_as_fast_as_it_is_allowed_takes_over_nobodys_account(site: Site) -> None:
    """Five tries at every code that a worker sends in a day: in a month or so of that, one of them is right."""
    a_minute = IssuerSettings.load(site.config).registrations_a_minute
    assert a_minute * 60 * 24 * MAX_TRIES / 10**CODE_DIGITS < 0.05


def test_a_code_is_good_once(site: Site, opened: Issuer) -> None:
    registration, code = _begin(site, opened)
    opened.registrations.confirm(registration, code)
    with pytest.raises(CodeWrong):
        opened.registrations.confirm(registration, code)


def test_a_code_is_good_once_also_when_it_comes_twice_at_once(
    site: Site, opened: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one is counted as a try before the first is through: still one wallet."""
    registration, code = _begin(site, opened)
    check = Pending.check
    tokens = []

    def overtaken(self: Pending, given: str, now: float) -> None:
        check(self, given, now)
        monkeypatch.setattr(Pending, "check", check)
        tokens.append(opened.registrations.confirm(registration, code))

    monkeypatch.setattr(Pending, "check", overtaken)
    with pytest.raises(CodeWrong):
        opened.registrations.confirm(registration, code)
    assert len(tokens) == 1
    assert opened.identities.find(tokens[0].token)


def test_a_code_is_good_for_five_minutes(site: Site, opened: Issuer) -> None:
    registration, code = _begin(site, opened)
    late, later = _begin(site, opened), _begin(site, opened)
    site.clock.set("2026-11-20T12:04:59+09:00")
    assert opened.registrations.confirm(registration, code)
    site.clock.set("2026-11-20T12:05:00+09:00")
    for waiting in (late, later):
        with pytest.raises(CodeWrong):
            opened.registrations.confirm(*waiting)


def test_a_code_of_another_registration_is_wrong(site: Site, opened: Issuer) -> None:
    first, _ = _begin(site, opened)
    _, other = _begin(site, opened, "+821087654321")
    with pytest.raises(CodeWrong):
        opened.registrations.confirm(first, other)


def test_no_changed_bit_of_a_registration_id_is_accepted(site: Site, opened: Issuer) -> None:
    registration, code = _begin(site, opened)
    sealed = b64url_decode(registration)
    for index in range(0, len(sealed), 7):
        changed = bytearray(sealed)
        changed[index] ^= 1
        with pytest.raises(CodeWrong):
            opened.registrations.confirm(b64url_encode(bytes(changed)), code)
    for cut in ("", "A", registration[:-1], registration + "A", registration + "=", "ä" * ID_LENGTH):
        with pytest.raises(CodeWrong):
            opened.registrations.confirm(cut, code)


def test_forged_ids_leave_nothing_in_the_database(opened: Issuer) -> None:
    """Counting tries of ids that were never given out would let anybody fill the disk."""
    for _ in range(3):
        with pytest.raises(CodeWrong):
            opened.registrations.confirm("A" * ID_LENGTH, "0" * CODE_DIGITS)
    assert rows_in(opened.database, "attempts") == 0


def test_a_phone_that_is_registered_again_ends_the_earlier_wallet(site: Site, client: httpx.Client) -> None:
    """Whoever loses a phone registers again and locks out the finder; what passes on is in tests/attacks."""
    first = register(site, client)
    second = register(site, client, name="다른 이름", phone="+82 10 1234 5678")
    assert client.get("/v1/wallet", headers=bearer(first)).status_code == 401
    assert client.get("/v1/wallet", headers=bearer(second)).json()["name"] == "다른 이름"


def test_a_registration_that_waits_over_a_rotation_still_counts(site: Site, opened: Issuer) -> None:
    """The new identity key is in use, the old one not yet destroyed."""
    registration, code = _begin(site, opened)
    opened.party.ring.ensure(KeyName(Purpose.IDENTITY, DAY + 1), oldest=0)
    assert opened.registrations.confirm(registration, code)


def test_a_phone_gets_so_many_codes_a_day_and_again_tomorrow(tmp_path: Path) -> None:
    site = Site.make(tmp_path / "issuer", codes_a_day="2")
    with site.open() as issuer:
        for _ in range(2):
            issuer.registrations.begin(Contact(NAME, E164))
        for _ in range(2):
            with pytest.raises(TooManyRequests) as refused:
                issuer.registrations.begin(Contact(NAME, E164))
            assert refused.value.wait == 12 * 3600, "until midnight"
        issuer.registrations.begin(Contact(NAME, "+821087654321"))
        site.clock.set("2026-11-21T00:00:00+09:00")
        issuer.registrations.begin(Contact(NAME, E164))


def test_a_phone_waits_before_its_next_code_and_is_not_told_when_the_last_one_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may ask with anybody's number, and would see to the second when its holder registered."""
    site = Site.make(tmp_path / "issuer", code_cooldown_seconds="3000")
    with site.serve() as running:
        begin(running.http)
        answer = running.http.post("/v1/registrations", json={"name": "x", "phone": E164})
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_requests")
        now = SystemClock().now()
        monkeypatch.setattr(SystemClock, "now", lambda _: now + 100)  # by which the bounds go
        later = running.http.post("/v1/registrations", json={"name": "x", "phone": E164})
        assert [one.headers["retry-after"] for one in (answer, later)] == ["3000", "3000"]
        assert len(site.messages()) == 1
        begin(running.http, phone="010-8765-4321")


def test_all_registrations_together_are_bounded(tmp_path: Path) -> None:
    site = Site.make(tmp_path / "issuer", registrations_a_minute="3")
    with site.open() as issuer:
        for last in range(3):
            issuer.registrations.begin(Contact(NAME, f"+82108765432{last}"))
        with pytest.raises(TooManyRequests):
            issuer.registrations.begin(Contact(NAME, E164))


def test_one_phone_that_asks_again_and_again_keeps_no_other_phone_from_its_code(tmp_path: Path) -> None:
    """Neither while it waits for its next code nor when it has had its number for the day."""
    for name, refused in [("waits", "code_cooldown_seconds"), ("had all", "codes_a_day")]:
        site = Site.make(tmp_path / name, registrations_a_minute="3", **{refused: "60" if name == "waits" else "1"})
        with site.open() as issuer:
            issuer.registrations.begin(Contact(NAME, E164))
            for _ in range(20):
                with pytest.raises(TooManyRequests):
                    issuer.registrations.begin(Contact(NAME, E164))
            issuer.registrations.begin(Contact(NAME, "+821087654321"))


def test_a_phone_refused_because_of_all_others_has_lost_none_of_its_codes(tmp_path: Path) -> None:
    site = Site.make(tmp_path / "issuer", registrations_a_minute="1", codes_a_day="1")
    with site.open() as issuer:
        issuer.registrations.begin(Contact(NAME, "+821087654321"))
        with pytest.raises(TooManyRequests):
            issuer.registrations.begin(Contact(NAME, E164))
        assert rows_in(issuer.database, "messages") == 1


class Gateway:
    """Takes messages, or fails as it is told."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.fails = False
        self.meanwhile: Callable[[], None] = lambda: None

    def send(self, to: str, _: str) -> None:
        self.meanwhile()
        if self.fails:
            raise Unreachable("The message could not be sent.")
        self.sent.append(to)

    def close(self) -> None:
        """Nothing."""


def test_a_phone_that_was_sent_nothing_may_ask_again_at_once(tmp_path: Path) -> None:
    """Its pause and its codes of the day are for what was sent; a gateway that fails uses up neither."""
    site = Site.make(tmp_path / "issuer", code_cooldown_seconds="60", codes_a_day="1")
    with site.open() as issuer:
        gateway = issuer.registrations._gateway = Gateway()
        gateway.fails = True
        for _ in range(3):
            with pytest.raises(Unreachable):
                issuer.registrations.begin(Contact(NAME, E164))
        gateway.fails = False
        issuer.registrations.begin(Contact(NAME, E164))
        assert gateway.sent == [E164]
        with pytest.raises(TooManyRequests, match="on its way to this phone"):
            issuer.registrations.begin(Contact(NAME, E164))


@pytest.mark.parametrize("network", [None, "a network"])
def test_a_phone_refused_because_of_others_is_told_so_and_that_nothing_was_sent(
    tmp_path: Path, network: str | None
) -> None:
    """Each time: its own pause is not used up, and no refusal claims that a code was sent."""
    bounds = {"registrations_a_minute_of_a_network": "1"} if network else {"registrations_a_minute": "1"}
    site = Site.make(tmp_path / "issuer", code_cooldown_seconds="60", **bounds)
    with site.open() as issuer:
        issuer.registrations.begin(Contact(NAME, "+821087654321"), network)
        for _ in range(3):
            with pytest.raises(TooManyRequests, match="no code was sent"):
                issuer.registrations.begin(Contact(NAME, E164), network)
        if network:
            issuer.registrations.begin(Contact(NAME, E164), "another network")
        assert len(site.messages()) == 1 + bool(network)


def test_a_phone_that_had_all_its_codes_is_told_so_each_time(tmp_path: Path) -> None:
    """Not that one was sent a moment ago; and all together lose nothing by it."""
    site = Site.make(tmp_path / "issuer", code_cooldown_seconds="60", codes_a_day="1", registrations_a_minute="2")
    with site.open() as issuer:
        mac = issuer.identity_keys.day_mac(issuer.identity_keys.current(), DAY, E164)
        add = "INSERT INTO messages VALUES (:mac, :day, 1)"
        values: Values = {"mac": mac, "day": DAY}
        issuer.database.write(lambda commit: commit.execute(add, values))
        for _ in range(5):
            with pytest.raises(TooManyRequests, match="tomorrow"):
                issuer.registrations.begin(Contact(NAME, E164))
        for last in range(2):
            issuer.registrations.begin(Contact(NAME, f"+82108765432{last}"))


def test_two_requests_at_once_send_one_code(tmp_path: Path) -> None:
    """The pause is taken before the message is sent, not after."""
    site = Site.make(tmp_path / "issuer", code_cooldown_seconds="60")
    with site.open() as issuer:
        gateway = issuer.registrations._gateway = Gateway()

        def second() -> None:
            with pytest.raises(TooManyRequests, match="on its way"):
                issuer.registrations.begin(Contact(NAME, E164))

        gateway.meanwhile = second
        issuer.registrations.begin(Contact(NAME, E164))
        assert gateway.sent == [E164]


def test_counts_of_earlier_days_are_forgotten(site: Site, opened: Issuer) -> None:
    registration, code = _begin(site, opened)
    opened.registrations.confirm(registration, code)
    site.set_day(DAY + 1)
    opened.guard.tick()
    opened.purger.run()
    assert (rows_in(opened.database, "attempts"), rows_in(opened.database, "messages")) == (1, 1)
    site.set_day(DAY + 2)
    opened.purger.run()
    assert (rows_in(opened.database, "attempts"), rows_in(opened.database, "messages")) == (0, 0)


def _never(*_: object) -> None:
    raise AssertionError("an account was looked for")
