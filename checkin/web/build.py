"""Build hook: installs the pages' third-party JavaScript from npm and copies the few files they load."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

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


class Vendor(BuildHookInterface):  # type: ignore[misc]  # hatchling is there only while building
    """Runs before a wheel, an editable install included, is put together."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Fill checkin/web/static/vendor; it is git-ignored, so it is named as an artifact."""
        web = Path(self.root) / "checkin" / "web"
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError("npm is needed to build the pages: install Node.js 18 or newer, then try again.")
        subprocess.run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=web, check=True)  # noqa: S603 - fixed words
        copy(web / "node_modules", web / "static" / "vendor")
        build_data["artifacts"].append("checkin/web/static/vendor/**")


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
