"""Pages that are rendered on the server: template values are escaped, and a missing name is an error."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

WEB: Final = Path(__file__).parent / "web"


@cache
def template(name: str, folder: Path = WEB / "templates") -> Template:
    """The template of that name, read once a process."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template(name)
