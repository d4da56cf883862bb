"""Several worker processes over one folder hold every bound together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import cycle

from checkin.protocol import presentation
from tests.support.issuer_service import Site, ask_batch, begin, confirm, register, workers
from tests.support.service_folder import DAY, bearer


def test_five_tries_are_five_tries_over_two_processes(site: Site) -> None:
    """A guesser who spreads tries over workers, all at once, gets five; then not even the right code works."""
    with workers(site, 2) as clients:
        registration = begin(clients[0])
        ((_, code),) = site.messages()
        guesses = [f"{(int(code) + step) % 10**8:08}" for step in range(1, 21)]
        with ThreadPoolExecutor(10) as pool:
            pairs = zip(cycle(clients), guesses, strict=False)
            answers = list(pool.map(lambda pair: confirm(pair[0], registration, pair[1]), pairs))
        assert {answer.status_code for answer in answers} == {403}
        assert {confirm(client, registration, code).status_code for client in clients} == {403}
        again = begin(clients[1])
        code = next(found for _, found in site.messages() if found != code)
        with ThreadPoolExecutor(10) as pool:
            statuses = list(pool.map(lambda client: confirm(client, again, code).status_code, clients * 4))
        assert sorted(statuses) == [201] + [403] * 7


def test_a_day_has_six_batches_over_two_processes(site: Site) -> None:
    with workers(site, 2) as clients:
        site.list_keys(clients[0])
        token = register(site, clients[0])
        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(lambda client: ask_batch(client, token).status_code, clients * 8))
        assert sorted(statuses) == [200] * 6 + [409] * 10


def test_no_hosted_code_is_presented_by_two_processes(site: Site) -> None:
    with workers(site, 2) as clients:
        site.list_keys(clients[0])
        token = register(site, clients[0])
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda c: c.post("/v1/qr", json={}, headers=bearer(token)), clients * 10))
        shown = [presentation.read(presentation.from_text(answer.json()["token"])) for answer in answers]
        assert len({one.credential.visit_id for one in shown}) == 20
        assert {one.credential.day for one in shown} == {DAY}


def test_a_token_that_ended_in_one_process_has_ended_in_the_other(site: Site) -> None:
    with workers(site, 2) as clients:
        token = register(site, clients[0])
        assert clients[1].get("/v1/wallet", headers=bearer(token)).status_code == 200
        assert clients[0].delete("/v1/wallet", headers=bearer(token)).status_code == 202
        assert clients[1].get("/v1/wallet", headers=bearer(token)).status_code == 401


def test_two_processes_that_start_at_once_publish_one_list(site: Site) -> None:
    """The first list is final, and both sign the same."""
    with workers(site, 2) as clients:
        first, second = (client.get("/v1/keys").json() for client in clients)
        assert first == second
        assert len(first["keys"]) == 15
