"""Metadata hook: the public addresses of a release, from the one in pyproject.toml, and the README with them.

An index shows no relative link or picture. Where `source` is empty the metadata are what pyproject.toml says.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

PAGES = {"Documentation": "docs/index.md", "Changelog": "docs/changelog.md", "Security": "docs/security.md"}
_RELATIVE = re.compile(r'(\]\(|src(?:set)?=")(?![a-z]+:|#)([^)"]+)')


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
