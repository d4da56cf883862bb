"""The proxy of docs/deploy in front of running services, and the metrics that its rules and pictures ask for."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from prometheus_client.parser import text_string_to_metric_families

from checkin.deployment.deployment import SERVICES, Deployment
from checkin.deployment.processes import Processes
from checkin.protocol.primitives import sha256
from checkin.service.addresses import free_ports
from tests.conftest import Needs
from tests.support.nginx import NGINX, nginx
from tests.support.service_folder import bearer
from tests.support.serving import caller
from tests.test_deploy import queries, text

NAMES = {"issuer": "issuer.example", "venue": "registry.example", "retention": "retention.example"}
TOKEN = "token-for-metrics"
PHONE = "+82105550{:04}"
PATIENCE = 120.0


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Three services; the registry shows its counters to who has the token."""
    made = Deployment.open_or_make(tmp_path_factory.mktemp("deployed"), free_ports(3))
    config = made.config("venue")
    line = f'metrics_token_sha256 = "{sha256(TOKEN.encode()).hex()}"\n'
    config.write_text(line + config.read_text(encoding="utf-8"), encoding="utf-8")
    with Processes(made):
        yield made


@dataclass
class Proxy:
    """nginx with the sample, but for its ports and places."""

    folder: Path
    port: int

    def client(self, service: str) -> httpx.Client:
        """One that knows the certificate, and asks for the service by its name."""
        context = ssl.create_default_context(cafile=str(self.folder / f"{NAMES[service]}.pem"))
        return httpx.Client(
            base_url=f"https://{NAMES[service]}:{self.port}", transport=_Local(verify=context, retries=0), timeout=60
        )

    def written(self) -> bytes:
        """All that it keeps on the disk, but for its settings and certificates."""
        kept = [
            path for path in self.folder.rglob("*") if path.is_file() and path.suffix not in (".conf", ".pem", ".key")
        ]
        return b"".join(path.read_bytes() for path in kept)


class _Local(httpx.HTTPTransport):
    """Every name is this machine."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions = {**request.extensions, "sni_hostname": request.url.host}
        request.url = request.url.copy_with(host="127.0.0.1")
        return super().handle_request(request)


def certify(folder: Path, name: str) -> None:
    """A certificate of its own for a name."""
    key, subject = ec.generate_private_key(ec.SECP256R1()), x509.Name([])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / f"{name}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / f"{name}.key").write_bytes(key.private_bytes(*form))


@contextmanager
def proxy(folder: Path, deployment: Deployment, *changes: tuple[str, str]) -> Iterator[Proxy]:
    """Runs until the block ends; `changes` of the sample."""
    folder.mkdir()
    plain, secure = free_ports(2)
    sample = text("nginx.conf")
    changes = (
        ("listen 80 ", f"listen 127.0.0.1:{plain} "),
        ("listen 443 ", f"listen 127.0.0.1:{secure} "),
        ("/etc/ssl/checkin/", f"{folder}/"),
        ("/var/log/nginx/", f"{folder}/"),
        *((f"127.0.0.1:800{at}", f"127.0.0.1:{deployment.ports[name]}") for at, name in enumerate(SERVICES, 1)),
        *changes,
    )
    for old, new in changes:
        assert old in sample
        sample = sample.replace(old, new)
    for name in NAMES.values():
        certify(folder, name)
    found = Proxy(folder, secure)

    def answers() -> bool:
        with suppress(httpx.TransportError), found.client("issuer") as client:
            return bool(client.get("/healthz"))
        return False

    with nginx(folder, sample, answers):
        yield found


@pytest.fixture
def _nginx(needs: Needs) -> None:
    needs("nginx", NGINX, "apt install nginx-light")


@pytest.mark.usefixtures("_nginx")
def test_the_proxy_bounds_and_keeps_nothing_of_whoever_asks(deployment: Deployment, tmp_path: Path) -> None:
    """Each name leads to its service, over TLS; who registers too often is refused, and no file says who asked what."""
    with proxy(tmp_path / "nginx", deployment) as found:
        for service in NAMES:
            with found.client(service) as client:
                answer = client.get("/healthz")
                assert answer.json()["status"] == "ok" and answer.json()["service"].startswith(
                    NAMES[service].split(".")[0]
                )
                assert "max-age" in answer.headers["strict-transport-security"]
                assert client.get("/metrics", headers=bearer(TOKEN)).status_code == 404
                too_long = client.post("/v1/purge", content=b"x" * (2 << 20))
                assert too_long.status_code == 413 and "nginx" in too_long.text
        with found.client("issuer") as client:
            answers = [
                client.post("/v1/registrations", json={"name": "Ahn", "phone": PHONE.format(number)})
                for number in range(9)
            ]
        assert answers[0].is_success
        assert answers[-1].status_code == 429 and "nginx" in answers[-1].text
        with caller(deployment.url("issuer")) as client:  # control: the service took it
            assert client.post("/v1/registrations", json={"name": "Ahn", "phone": PHONE.format(9)}).is_success
        written = found.written()
    assert not any(word in written for word in (b"127.0.0.1", b"/v1/", b"10555"))


@pytest.mark.usefixtures("_nginx")
def test_control_with_a_log_and_small_buffers_the_disk_tells_who_asked(deployment: Deployment, tmp_path: Path) -> None:
    """The same question, when the three lines are not there."""
    changes = ("access_log off;", f"access_log {tmp_path}/nginx/access;"), ("error.log crit", "error.log error")
    with proxy(tmp_path / "nginx", deployment, *changes) as found:
        with found.client("issuer") as client:
            while client.post("/v1/registrations", json={}).status_code != 429:
                pass
        written = found.written()
    assert written.count(b"127.0.0.1") > 1 and b"/v1/registrations" in written and b"limiting requests" in written


def test_every_metric_that_is_asked_for_is_shown_by_a_running_service(deployment: Deployment) -> None:
    """With the labels and the tasks that are asked for, too."""
    labels: dict[str, set[str]] = {"up": {"job"}}
    tasks: set[str] = set()
    for service in SERVICES:
        shown = httpx.get(f"{deployment.url(service)}/metrics", headers=bearer(TOKEN))
        assert shown.status_code == 200
        for family in text_string_to_metric_families(shown.text):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels.setdefault(name, set()).update(*(sample.labels for sample in family.samples))
            tasks |= {sample.labels["task"] for sample in family.samples if "task" in sample.labels}
    for query in queries():
        asked = re.findall(r"\b(up|checkin_[a-z_]+)(?:\{([a-z]+)=?[!~]*\"?([^\"}]*))?", query)
        assert asked, query
        for name, label, value in asked:
            assert name in labels, query
            assert not label or label == "job" or label in labels[name], query
            assert label != "task" or set(value.split("|")) <= tasks, query
