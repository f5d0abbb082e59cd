"""A server that ends well: what has come is answered, but not for ever, and its clients are told."""

import asyncio
import math
import socket
from types import FrameType
from typing import Any

import uvicorn

from qwen_vl.serving.worker import Worker

LAST_SECONDS = 3.0
"""For the last words to clients, once nothing more is answered."""


class Server(uvicorn.Server):
    """Told to end by a signal, it answers what has come for `grace` seconds; a second signal ends that."""

    def __init__(self, app: Any, worker: Worker, grace: float, log_level: str = "warning"):
        # From Python 3.12 on uvicorn waits for open connections too, whatever `force_exit` says.
        last = math.ceil(grace + LAST_SECONDS) + 1
        config = uvicorn.Config(app, log_level=log_level, server_header=False, lifespan="off")
        config.timeout_graceful_shutdown = last
        super().__init__(config)
        self._worker, self._grace = worker, grace
        self._again = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called for every signal."""
        if self.should_exit:
            self._again = True
        else:
            super().handle_exit(sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Waits for clients; later they are told that there is no answer, and last they are left."""
        insisting = asyncio.create_task(self._insist())
        await super().shutdown(sockets)
        insisting.cancel()

    async def _insist(self) -> None:
        end = asyncio.get_running_loop().time() + self._grace
        while not self._again and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.1)
        self._worker.abandon()
        await asyncio.sleep(LAST_SECONDS)
        self.force_exit = True
