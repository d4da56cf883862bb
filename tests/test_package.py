"""What is given away: a wheel that works without npm and an sdist that makes one, and the versions that CI tries."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from email import message_from_string
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.conftest import Needs

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LEFT_OUT = shutil.ignore_patterns(".git", ".venv", ".*_cache", "node_modules", "__pycache__", "checkin-data", "dist")
SOURCE = "https://forge.example/somebody/checkin"
VENDOR = "checkin/web/static/vendor/"
LOADED = ("qr.js", "hpke/core/mod.js", "hpke/common/mod.js", "zxing/reader/index.js", "zxing/zxing_reader.wasm")


def build(tree: Path, target: str, into: Path, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """What `pip` has the build backend do; `path`: where it finds programs."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(into)]
    environment = os.environ if path is None else {**os.environ, "PATH": path}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


def run(*command: str, cwd: Path) -> str:
    """What a command prints."""
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project, with the JavaScript that was installed with it, so that no other test's files move; as a
    release has it, with a public address."""
    copy = Path(shutil.copytree(ROOT, tmp_path_factory.mktemp("tree") / "project", ignore=LEFT_OUT))
    settings = (copy / "pyproject.toml").read_text(encoding="utf-8")
    assert settings.count('source = ""') == 1
    (copy / "pyproject.toml").write_text(settings.replace('source = ""', f'source = "{SOURCE}/"'), encoding="utf-8")
    return copy


@pytest.fixture(scope="module")
def built(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder with the sdist, and with the wheel that was made from it where there is no npm."""
    into, unpacked = tmp_path_factory.mktemp("built"), tmp_path_factory.mktemp("unpacked")
    done = build(tree, "sdist", into)
    assert done.returncode == 0, done.stderr
    with tarfile.open(next(into.glob("*.tar.gz"))) as sdist:
        sdist.extractall(unpacked, filter="data")
    done = build(next(unpacked.iterdir()), "wheel", into, path="")
    assert done.returncode == 0, done.stderr
    yield into


@pytest.fixture(autouse=True)
def _npm(needs: Needs) -> None:
    needs("npm", shutil.which("npm"), "apt install npm")


def test_the_wheel_is_installed_without_npm_or_network_and_runs(built: Path, tmp_path: Path) -> None:
    """Its version and services are its own, not the checkout's; what it needs lies in this environment."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path)], check=True)
    [wheel] = built.glob("*.whl")
    python = str(tmp_path / "bin" / "python")
    pip = [sys.executable, "-m", "pip", "--python", python, "--isolated", "install", "-q", "--no-deps", "--no-index"]
    subprocess.run([*pip, str(wheel)], check=True, env={"PATH": "", "HOME": str(tmp_path)})
    own = Path(next(tmp_path.glob("lib/*/site-packages")))
    (own / "needed.pth").write_text(sysconfig.get_path("purelib"))
    assert run(str(tmp_path / "bin" / "checkin"), "--version", cwd=tmp_path) == f"checkin {wheel.name.split('-')[1]}\n"
    script = (
        "from importlib.metadata import distribution\n"
        f"found = distribution({PROJECT['name']!r})\n"
        "services = (entry.load() for entry in found.entry_points if entry.group == 'checkin.services')\n"
        "print(*(service.__code__.co_filename for service in services), sep='\\n')"
    )
    files = [Path(line) for line in run(python, "-c", script, cwd=tmp_path).splitlines()]
    assert {path.relative_to(own).parts[0] for path in files} == {"checkin", "issuer", "venue", "retention"}


def test_the_wheel_has_every_file_of_the_packages_and_the_third_party_javascript(built: Path) -> None:
    """Pages, messages, data maps, sample settings: all that lies in the checkout, and nothing beside the packages."""
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    ours = set(run("git", "ls-files", "checkin", "issuer", "venue", "retention", cwd=ROOT).splitlines())
    assert len(ours) > 200
    assert ours - names == set()
    assert {VENDOR + name for name in LOADED} <= names
    assert {name for name in names - ours if not name.startswith(VENDOR)} == set()


def test_the_metadata_says_what_an_index_shows(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = message_from_string(wheel.read(name).decode())
    assert metadata["Name"] == PROJECT["name"] != "checkin"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Author"]
    at = f"{SOURCE}/{{}}/v{metadata['Version']}/".format
    urls = dict(re.findall("(.+), (.+)", "\n".join(metadata.get_all("Project-URL", []))))
    assert urls.keys() == {"Source", "Issues", "Documentation", "Changelog", "Security"}
    pages = [urls[name] for name in ("Documentation", "Changelog", "Security")]
    text = str(metadata.get_payload())
    pictures, links = re.findall(r'src(?:set)?="([^"]+)', text), re.findall(r"\]\(([^)]+)", text)
    assert len(pictures) == 9 and len(links) > 10
    for base, found in ((at("raw"), pictures), (at("blob"), links + pages)):
        for url in found:
            assert url.startswith(base) and (ROOT / url.removeprefix(base)).exists(), url


def test_without_a_public_address_the_metadata_are_as_the_project_says() -> None:
    told = json.loads(run(sys.executable, "-m", "hatchling", "metadata", cwd=ROOT))
    assert told["readme"]["text"] == (ROOT / "README.md").read_text(encoding="utf-8") and "urls" not in told


def test_a_checkout_without_npm_says_what_to_install(tree: Path, tmp_path: Path) -> None:
    """One sentence at the end of what is printed; nothing is built."""
    bare = Path(shutil.copytree(tree, tmp_path / "bare", ignore=shutil.ignore_patterns("vendor")))
    done = build(bare, "wheel", tmp_path / "into", path="")
    assert done.returncode != 0
    assert "npm is needed to build from a checkout" in done.stderr.splitlines()[-1]
    assert not list(tmp_path.glob("into/*"))


def test_the_versions_that_ci_installs_are_pinned_by_hash_and_fit_what_is_asked_for() -> None:
    """`.ci/lock` makes the file anew when a requirement changed; it names no place to fetch from."""
    text = (ROOT / ".ci" / "constraints.txt").read_text(encoding="utf-8")
    assert "://" not in text
    pinned: dict[str, list[str]] = {}
    for entry in text.replace("\\\n", "").splitlines():
        match = re.fullmatch(r"([a-z0-9.-]+)==([^ ]+)(?: ; [^-]+?)?((?: +--hash=sha256:[0-9a-f]{64})+)", entry.rstrip())
        assert match, entry[:80]
        pinned.setdefault(match[1], []).append(match[2])
    wanted = [Requirement(line) for line in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]]
    for requirement in wanted:
        assert all(map(requirement.specifier.contains, pinned[canonicalize_name(requirement.name)])), requirement
