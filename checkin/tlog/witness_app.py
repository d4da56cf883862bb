"""The witness over HTTP as c2sp.org/tlog-witness has it: POST /add-checkpoint, GET /HASH/checkpoint; and who it is."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from checkin.clock import Clock
from checkin.errors import CheckinError, LogConflict, RequestTooLarge
from checkin.protocol.note import decode_note
from checkin.tlog.witness import MAX_REQUEST, Witness

SIZE_TYPE = "text/x.tlog.size"


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_REQUEST:
            raise RequestTooLarge("A request to a witness has at most 256 KiB.")
    return bytes(body)


def create_app(witness: Witness, clock: Clock) -> Starlette:
    """The ASGI application; needs no settings but the witness itself."""

    async def add_checkpoint(request: Request) -> Response:
        try:
            body = decode_note(await _read_body(request))
            return PlainTextResponse(await run_in_threadpool(witness.add_checkpoint, body, clock.now()))
        except LogConflict as error:
            if error.size is None:
                return PlainTextResponse(f"{error.detail}\n", error.status)
            # SPEC tlog-witness: "The response MUST have a `Content-Type` of `text/x.tlog.size`."
            return Response(f"{error.size}\n", error.status, media_type=SIZE_TYPE, headers={"Content-Type": SIZE_TYPE})
        except CheckinError as error:
            return PlainTextResponse(f"{error.detail}\n", error.status)

    async def monitored(request: Request) -> Response:
        try:
            return PlainTextResponse(await run_in_threadpool(witness.monitored, request.path_params["origin_hash"]))
        except CheckinError as error:
            return PlainTextResponse(f"{error.detail}\n", error.status)

    async def healthz(_request: Request) -> Response:
        verifier = witness.cosigner.verifier
        simulated = "simulated" if clock.simulated else "real"
        return JSONResponse({"status": "ok", "witness": verifier.name, "vkey": verifier.vkey, "clock": simulated})

    return Starlette(
        routes=[
            Route("/add-checkpoint", add_checkpoint, methods=["POST"]),
            Route("/{origin_hash}/checkpoint", monitored, methods=["GET"]),
            Route("/healthz", healthz, methods=["GET"]),
        ]
    )
