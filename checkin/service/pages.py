"""Static files and the API's documentation, all from this host."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

WEB = Path(__file__).parent.parent / "web" / "static"

_DOCS = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} – API</title>
<link rel="stylesheet" href="/static/vendor/swagger-ui.css">
<body><noscript>The description of this API is at <a href="/openapi.json">/openapi.json</a>.</noscript>
<div id="swagger-ui"></div>
<script src="/static/vendor/swagger-ui-bundle.js"></script><script src="/static/docs.js"></script></body></html>
"""


def install(app: FastAPI, title: str) -> None:
    """Serve `/static/…` and `/docs`."""
    app.mount("/static", StaticFiles(directory=WEB), name="static")

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        # Swagger UI sets styles inline; only this page may.
        policy = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
        return HTMLResponse(_DOCS.format(title=title), headers={"content-security-policy": policy})
