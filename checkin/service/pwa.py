"""Pages that people keep open: HTML in their language, a web app manifest, and a worker that keeps them offline.

/NAME                  the page, from checkin/web/templates/NAME.html
/NAME.webmanifest      makes it installable
/NAME-worker.js        keeps its files, so that it opens without a network; scope /NAME
/NAME-background.js    the same, and it fetches in the background where browsers let it (wallet only)
/NAME-decoder.js       reads pictures beside the page (scanner only)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, Final

from babel import negotiate_locale
from fastapi import APIRouter, Depends, FastAPI, Header, Query
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from checkin.protocol.primitives import sha256
from checkin.service.body import weights
from checkin.templates import WEB, template

STATIC: Final = WEB / "static"
_SHARED: Final = ("style.css", "js/*.js", "messages/errors.json", "icons/*", "vendor/qr.js")
_SCRIPT: Final = "text/javascript"
_DOCS = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} – API</title>
<link rel="stylesheet" href="/static/vendor/swagger-ui.css">
<body><noscript>The description of this API is at <a href="/openapi.json">/openapi.json</a>.</noscript>
<div id="swagger-ui"></div>
<script src="/static/vendor/swagger-ui-bundle.js"></script><script src="/static/docs.js"></script></body></html>
"""
LANGUAGES: Final = ("en", "ko")
_Wanted = Annotated[str | None, Query(max_length=8)]


def serve_static(app: FastAPI, title: str) -> None:
    """Serve `/static/…` and the API's description, `/docs`, all from this host."""
    app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        # Swagger UI sets styles inline; only this page may.
        policy = "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
        return HTMLResponse(_DOCS.format(title=title), headers={"content-security-policy": policy})


@cache
def messages(page: str) -> dict[str, dict[str, str]]:
    """A page's words by language."""
    words: dict[str, dict[str, str]] = json.loads((STATIC / "messages" / f"{page}.json").read_text(encoding="utf-8"))
    return words


@dataclass(frozen=True)
class WebPage:
    """One page. `values` reach the page as data attributes of its body; `files` are globs under static/."""

    name: str
    values: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    background: str | None = None
    decoder: str | None = None

    def router(self) -> APIRouter:
        """Its routes; none of them needs a token, and none sets a cookie."""
        router = APIRouter()
        router.add_api_route(
            f"/{self.name}",
            self.page,
            name=f"{self.name}_page",
            response_class=HTMLResponse,
            tags=["pages"],
            description=f"Show the {self.name} page, in Korean or English; it can be read before any script has run.",
        )
        parts = {f"/{self.name}.webmanifest": self.manifest, f"/{self.name}-worker.js": self.worker}
        if self.background:
            parts[f"/{self.name}-background.js"] = self.background_worker
        if self.decoder:
            parts[f"/{self.name}-decoder.js"] = self.decoder_worker
        for path, part in parts.items():
            router.add_api_route(path, part, include_in_schema=False)
        return router

    def page(self, language: Language) -> HTMLResponse:
        return HTMLResponse(self._render(language), headers={"vary": "accept-language"})

    def manifest(self, lang: _Wanted = None) -> JSONResponse:
        language = choose_language(lang)
        words = messages(self.name)[language]
        content: dict[str, Any] = {
            "id": f"/{self.name}",
            "name": words["app_name"],
            "short_name": words["app_short"],
            "lang": language,
            "start_url": f"/{self.name}",
            "scope": f"/{self.name}",
            "display": "standalone",
            "background_color": "#fbfaf7",
            "theme_color": "#0a665a",
            "icons": [
                {"src": "/static/icons/icon.svg", "sizes": "any", "type": "image/svg+xml"},
                {"src": "/static/icons/icon-192.png", "sizes": "192x192", "type": "image/png"},
                {"src": "/static/icons/icon-512.png", "sizes": "512x512", "type": "image/png", "purpose": "any"},
            ],
        }
        return JSONResponse(content, media_type="application/manifest+json")

    def worker(self) -> Response:
        """The service worker, as a classic script."""
        return Response(self._worker_script(), media_type=_SCRIPT)

    def background_worker(self) -> Response:
        """The same as a module, which may import what works in the background."""
        return Response(f'import "/static/{self.background}";\n{self._worker_script()}', media_type=_SCRIPT)

    def decoder_worker(self) -> Response:
        """A worker is kept offline by its own address, not by that of the page that starts it."""
        return Response(f'import "/static/{self.decoder}";\n', media_type=_SCRIPT)

    def _render(self, language: str) -> str:
        page, words = template(f"{self.name}.html"), messages("errors")[language] | messages(self.name)[language]
        return page.render(name=self.name, lang=language, t=words, values=self.values)

    def _worker_script(self) -> str:
        own = (f"js/{self.name}/*.js", f"messages/{self.name}.json", *self.files)
        paths = sorted({path for pattern in (*_SHARED, *own) for path in STATIC.glob(pattern) if path.is_file()})
        pages = [self._render(language).encode() for language in LANGUAGES]
        digest = sha256(*pages, *(path.read_bytes() for path in paths))
        made = [f"/{self.name}.webmanifest", *([f"/{self.name}-decoder.js"] if self.decoder else [])]
        known = {
            "page": f"/{self.name}",
            "version": digest.hex()[:16],
            "files": [*made, *(f"/static/{path.relative_to(STATIC)}" for path in paths)],
        }
        body = (STATIC / "js" / "worker" / "offline.js").read_text(encoding="utf-8")
        return f"self.CHECKIN = {json.dumps(known)};\n{body}"


def choose_language(lang: _Wanted = None, accept_language: Annotated[str, Header()] = "") -> str:
    """`?lang=` if it names one of ours, else the best of Accept-Language (RFC 9110 §12.5.4), else English."""
    if lang in LANGUAGES:
        return str(lang)
    taken = weights(accept_language[:1000])
    best = sorted(filter(taken.get, taken), key=taken.__getitem__, reverse=True)
    return negotiate_locale(best, LANGUAGES, sep="-") or LANGUAGES[0]


Language = Annotated[str, Depends(choose_language)]
"""The language of a page, as a route's parameter."""
