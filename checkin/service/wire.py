"""HTTP as the server reads it, with a bound on what is no body.

uvicorn's fast parser keeps the headers, the path and the trailers of a request without any bound. Its other parser
has one, but takes several times as long for each check-in.
"""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 32 * 1024  # of all that comes between bodies; ours are below one


class BoundedHttp(HttpToolsProtocol):
    """Hangs up on a connection that sends more than `MAX_HEAD_BYTES`, and what was read at once with them, without a
    byte of a body or the end of a head or message."""

    _idle = 0

    def data_received(self, data: bytes) -> None:
        """asyncio's."""
        self._idle += len(data)
        super().data_received(data)
        if self._idle > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The headers are too long.")

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
        super().on_message_complete()
