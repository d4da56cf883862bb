"""HTTP as the server reads it, with a bound on what is no body, and on the time that a request takes to arrive.

uvicorn's fast parser keeps the headers, the path and the trailers of a request without any bound. Its other parser
has one, but takes several times as long for each check-in.
"""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 32 * 1024  # of all that comes between bodies; ours are below one
REQUEST_SECONDS = 60.0  # from a connection's beginning to its first byte, and from a request's first byte to its last


class BoundedHttp(HttpToolsProtocol):
    """Hangs up on a connection that sends more than `MAX_HEAD_BYTES`, and what was read at once with them, without a
    byte of a body or the end of a head or message; and on one whose request is not whole after `REQUEST_SECONDS`."""

    _idle = 0
    _inside = False  # of a request, or of empty lines before it
    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """asyncio's."""
        super().connection_made(transport)
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio's."""
        self._end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """asyncio's."""
        self._first_byte()
        self._idle += len(data)
        super().data_received(data)
        if self._idle > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The headers are too long.")

    def on_message_begin(self) -> None:
        """The parser's."""
        self._first_byte()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The parser's."""
        self._idle = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """The parser's."""
        self._idle = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The parser's."""
        self._idle = 0
        self._inside = False
        self._end()
        super().on_message_complete()

    def _first_byte(self) -> None:
        """Of a request: it has the whole time, however long the connection stood ready; what comes later puts nothing
        off."""
        if not self._inside:
            self._inside = True
            self._end()
            self._begin()

    def _begin(self) -> None:
        if self._due is None:
            self._due = self.loop.call_later(REQUEST_SECONDS, self._too_late)

    def _end(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _too_late(self) -> None:
        self._due = None
        answering = self.cycle and not self.cycle.more_body and not self.cycle.response_complete
        if answering or self.flow.read_paused:  # it is we who let the next request wait
            self._begin()
        else:
            self.transport.close()
