"""Bodies of requests on their way in, so that no client takes the memory or the time of the others.

All bodies together have a bound, besides the one that each has; one that stops coming is given up; and one
of so many values that they would be gigabytes once read as JSON is refused unread.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request
from starlette.requests import ClientDisconnect

from qwen_vl.serving.replies import HTTPError
from qwen_vl.serving.worker import ClosedError

BODIES = 16
"""As many of the largest bodies are in memory at once."""
SILENT_SECONDS = 20.0
"""How long a body may not come on."""
MAX_VALUES = 200_000
"""Values of one body's JSON: a conversation that fits the model has far fewer."""


class Intake:
    """What has come of bodies that are not read yet, in bytes."""

    def __init__(self, max_body: int):
        self.held = 0
        self._max_body = max_body

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytearray]:
        """The body of a request, counted for as long as the block lasts; HTTPError says what is wrong."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":  # what web pages may send unasked to this machine has another
            raise HTTPError(415, "expected JSON, and the header 'Content-Type: application/json'")
        content = bytearray()
        counted = 0
        try:
            async for piece in self._pieces(request):
                content += piece
                counted += len(piece)
                self.held += len(piece)
                if counted > self._max_body:
                    raise HTTPError(413, f"the request has more than {self._max_body:,} bytes")
                if self.held > BODIES * self._max_body:
                    raise HTTPError(
                        429, "too many large requests at once; try again", headers={"Retry-After": "1"}
                    )
            if sum(map(content.count, (b",", b"[", b"{"))) > MAX_VALUES:
                raise HTTPError(400, f"the request has more than {MAX_VALUES:,} values")
            yield content
        except asyncio.CancelledError:
            raise ClosedError("the server is shutting down") from None
        finally:
            self.held -= counted

    async def _pieces(self, request: Request) -> AsyncIterator[bytes]:
        pieces = aiter(request.stream())
        while True:
            try:
                async with asyncio.timeout(SILENT_SECONDS):
                    piece = await anext(pieces, None)
            except TimeoutError:
                raise HTTPError(408, "the rest of the request did not come") from None
            except ClientDisconnect:
                raise HTTPError(499, "the client went away") from None
            if piece is None:
                return
            yield piece
