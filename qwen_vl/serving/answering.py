"""One request answered: its pieces of text as they come, or all at once, and what ended it.

The engine's thread tells tokens and the end to the loop of the server; whoever goes away cancels.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, replace

from qwen_vl.engine import Answer
from qwen_vl.serving.text import Text
from qwen_vl.serving.worker import Asked, ClosedError, Worker


class FailedError(Exception):
    """The engine could not answer; says why."""


@dataclass(slots=True)
class Ending:
    """What is known once an answer has ended. The counts are of tokens, the stop's not among them."""

    prompt_tokens: int
    new_tokens: int = 0
    finish_reason: str = "length"
    logprobs: tuple[float, ...] | None = None


async def pieces(worker: Worker, asked: Asked, text: Text, ending: Ending) -> AsyncGenerator[str, None]:
    """The answer's text as it comes; `ending` is filled in when it is over. Close it, so that leaving before
    the end cancels the request.

    Raises:
        BusyError: too much is on its way.
        ClosedError: the server ends, and this answer with it.
        FailedError: the engine could not answer.
    """
    loop = asyncio.get_running_loop()
    events: asyncio.Queue[int | Answer] = asyncio.Queue()

    def tell(event: int | Answer) -> None:
        with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
            loop.call_soon_threadsafe(events.put_nowait, event)

    job = worker.submit(replace(asked, query=replace(asked.query, on_token=tell)), tell)
    try:
        while not isinstance(event := await events.get(), Answer):
            ending.new_tokens += 1
            if piece := text.add(event):
                yield piece
            if text.is_stopped:
                ending.finish_reason = "stop"
                return
        if event.error is not None:
            raise FailedError(f"{type(event.error).__name__}: {event.error}")
        if event.stop_reason == "cancelled":  # by nobody here, so by the end of the server
            raise ClosedError("the server is shutting down")
        if last := text.end():
            yield last
        ending.logprobs = event.logprobs
        ending.finish_reason = "length" if event.stop_reason == "length" and not text.is_stopped else "stop"
    finally:
        job.cancel()
