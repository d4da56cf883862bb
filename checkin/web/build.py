"""Build hooks: the pages' third-party JavaScript, installed from npm, and a release's public addresses.

Wheel and sdist have the few files that the pages load: to install one, or to make a wheel from the sdist, takes no npm.
An index shows no relative link or picture: README and metadata get the addresses of this version's tag.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

# npm package's file → name under vendor/
FILES = {
    "swagger-ui-dist/swagger-ui-bundle.js": "swagger-ui-bundle.js",
    "swagger-ui-dist/swagger-ui.css": "swagger-ui.css",
    "qr/index.js": "qr.js",
    # The program and its wasm are of one version: both come from here, never from the CDN it names.
    "zxing-wasm/dist/es/share.js": "zxing/share.js",
    "zxing-wasm/dist/es/reader/index.js": "zxing/reader/index.js",
    "zxing-wasm/dist/reader/zxing_reader.wasm": "zxing/zxing_reader.wasm",
}
# npm package's folder → folder under vendor/; browsers know no package names, so imports get relative paths
TREES = {"@hpke/core/esm": "hpke/core", "@hpke/common/esm": "hpke/common"}
MADE_FROM = "package-lock.json"  # a copy of the lock file that the folder was filled from, written last
PAGES = {"Documentation": "docs/index.md", "Changelog": "docs/changelog.md", "Security": "docs/security.md"}
_RELATIVE = re.compile(r'(\]\(|src(?:set)?=")(?![a-z]+:|#)([^)"]+)')


class Vendor(BuildHookInterface):  # type: ignore[misc]  # hatchling is there only while building
    """Runs before a wheel, an editable install included, or an sdist is put together."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Fill checkin/web/static/vendor; it is git-ignored, so it is named as an artifact."""
        fill(Path(self.root) / "checkin" / "web")
        build_data["artifacts"].append("checkin/web/static/vendor/**")


def fill(web: Path) -> None:
    """The folder vendor as the lock file has it; raises `RuntimeError`, with what to do, where that takes npm and there
    is none."""
    vendor = web / "static" / "vendor"
    lock, mark = (web / "package-lock.json").read_bytes(), vendor / MADE_FROM
    if mark.is_file() and mark.read_bytes() == lock:
        return
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError(
            "npm is needed to build from a checkout, for the pages' JavaScript: install Node.js 18 or newer (Debian: "
            "apt install npm), then try again. A wheel or an sdist of this project has it inside and needs no npm."
        )
    mark.unlink(missing_ok=True)
    subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=web, check=True)  # noqa: S603 - fixed words
    copy(web / "node_modules", vendor)
    mark.write_bytes(lock)


def copy(modules: Path, vendor: Path) -> None:
    """The files that the pages load, from npm's folder."""
    for source, name in FILES.items():
        (vendor / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(modules / source, vendor / name)
    for tree, folder in TREES.items():
        for path in sorted((modules / tree).rglob("*.js")):
            target = vendor / folder / path.relative_to(modules / tree)
            target.parent.mkdir(parents=True, exist_ok=True)
            up = "../" * (len(target.relative_to(vendor / "hpke").parts) - 1)
            code = path.read_text(encoding="utf-8").replace('"@hpke/common"', f'"{up}common/mod.js"')
            target.write_text(code, encoding="utf-8")


class Published(MetadataHookInterface):  # type: ignore[misc]  # hatchling is there only while building
    """`source`: the repository's address at a forge that shows a tag's files under blob/TAG and raw/TAG."""

    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        """URLs, and a README whose links and pictures are those of this version's tag."""
        source, text = self.config["source"].rstrip("/"), (Path(self.root) / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
        if not source:
            return
        tag = f"v{metadata['version']}"
        pages = {name: f"{source}/blob/{tag}/{path}" for name, path in PAGES.items()}
        metadata["urls"] = {"Source": source, "Issues": f"{source}/issues", **pages}

        def absolute(match: re.Match[str]) -> str:
            kind = "blob" if match[1] == "](" else "raw"
            return f"{match[1]}{source}/{kind}/{tag}/{match[2]}"

        metadata["readme"]["text"] = _RELATIVE.sub(absolute, text)
