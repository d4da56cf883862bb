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
}


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
        vendor = web / "static" / "vendor"
        vendor.mkdir(exist_ok=True)
        for source, name in FILES.items():
            shutil.copyfile(web / "node_modules" / source, vendor / name)
        build_data["artifacts"].append("checkin/web/static/vendor/*")
