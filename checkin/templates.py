"""Pages that are made on this side: all that a template is given is escaped, and a name that is missing ends it."""

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
