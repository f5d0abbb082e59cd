"""Many calls at once for code that knows no event loop: a plain generator over calls in another thread.

A thread of its own, since the caller may have an event loop already, as notebooks do.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError, Future
from queue import SimpleQueue
from typing import TypeVar

from eval_mm.calls.faults import Stop

T = TypeVar("T")
R = TypeVar("R")

PATIENCE = 10.0
"""Seconds that ending connections may take when all else is over."""


def each(
    call: Callable[[T], Awaitable[R]],
    items: Iterable[T],
    most: int,
    close: Callable[[], Awaitable[object]],
) -> Generator[R, None, None]:
    """What `call` gives for every item, in any order, at most `most` of them under way.

    Items are pulled in the caller's thread, when there is room; `call` and `close` run in the loop. At the
    first Stop nothing more is pulled, what the others still give is yielded, and the Stop is raised. Where
    the caller ends, by an error, Ctrl-C or by not going on, calls are cancelled.

    Raises:
        Stop: of a call, once all others have ended; any other error of a call at once.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="calls", daemon=True)
    thread.start()
    under_way: set[Future[R]] = set()
    done: SimpleQueue[Future[R]] = SimpleQueue()
    left: Iterator[T] | None = iter(items)
    stop: Stop | None = None
    try:
        while left is not None or under_way:
            while left is not None and len(under_way) < most:
                try:
                    item = next(left)
                except StopIteration:
                    left = None
                    break
                future = asyncio.run_coroutine_threadsafe(_awaited(call, item), loop)
                under_way.add(future)
                future.add_done_callback(done.put)
            if not under_way:
                break
            future = done.get()
            under_way.discard(future)
            try:
                yield future.result()
            except Stop as error:
                stop, left = stop or error, None
        if stop is not None:
            raise stop
    finally:
        for future in under_way:
            future.cancel()
        ended = asyncio.run_coroutine_threadsafe(_end(close), loop)
        try:
            ended.result(PATIENCE)
        except (TimeoutError, CancelledError):
            pass
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(PATIENCE)
            if not thread.is_alive():
                loop.close()


async def _awaited(call: Callable[[T], Awaitable[R]], item: T) -> R:
    return await call(item)


async def _end(close: Callable[[], Awaitable[object]]) -> None:
    """Waits for what was cancelled, then ends the connections."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await close()
