"""One thread that runs the engine for all clients: requests in from any thread, tokens and answers out.

    worker = Worker(engine)
    job = worker.submit(asked, on_done)   # called in the engine's thread: quick, never raises
    job.cancel()                          # its slot is free after the next step
    worker.abandon()                      # what is on its way ends unanswered after the next step
    worker.close()                        # what has come is answered first

Should the engine itself fail, what was on its way ends with that error and the engine begins anew.
"""

import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Final

from torch import Tensor

from qwen_vl.engine import Answer, Engine, Query

log = logging.getLogger(__name__)

OnDone = Callable[[Answer], object]


class BusyError(Exception):
    """More requests wait than the server takes."""


class ClosedError(Exception):
    """The server is on its way down."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A query, and the pixels (3, S, S) of its pictures by their keys.

    A key names the content of a picture: requests with the same picture share what is computed for it.
    """

    query: Query
    pixels: dict[Hashable, Tensor]


class Job:
    """A request on its way. It does not hold its query, which asks it: a ring would outlive the answer."""

    def __init__(self, keys: tuple[Hashable, ...], on_done: OnDone):
        self.keys, self.on_done = keys, on_done
        self._cancelled = False

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        self._cancelled = True

    def is_cancelled(self) -> bool:
        """Whether somebody cancelled it."""
        return self._cancelled


CLOSE: Final = None
"""In the queue: answer what has come, then end."""

MAX_PICTURES = 1024
"""Pictures of all requests on their way, each counted once: 2.5 gigabytes at 448 x 448."""


class Worker:
    """The engine's thread and what waits for it."""

    def __init__(self, engine: Engine, max_waiting: int = 512):
        """max_waiting: requests that may be on their way at once, those that run among them."""
        self.max_waiting = max_waiting
        self._engine = engine
        self._waiting: queue.Queue[Query | None] = queue.Queue()
        self._jobs: dict[int, Job] = {}
        self._pixels: dict[Hashable, Tensor] = {}
        self._uses: Counter[Hashable] = Counter()
        self._lock = threading.Lock()
        self._running: set[int] = set()  # what the engine has and has not answered; its thread's own
        self._closed = self._ended = self._abandoned = False
        self._number = 0
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()

    @property
    def num_jobs(self) -> int:
        """Requests on their way."""
        return len(self._jobs)

    @property
    def is_alive(self) -> bool:
        """Whether requests are answered."""
        return self._thread.is_alive()

    def check_room(self) -> None:
        """Raises BusyError where no more requests are taken for now."""
        if len(self._jobs) >= self.max_waiting:
            raise BusyError(f"{len(self._jobs):,} requests are being answered or wait")

    def submit(self, asked: Asked, on_done: OnDone) -> Job:
        """Takes a request in; BusyError beyond what may wait, ClosedError once the server ends."""
        job = Job(tuple(asked.pixels), on_done)
        with self._lock:
            if self._closed or self._abandoned or not self.is_alive:
                raise ClosedError("the server is shutting down")
            self.check_room()
            if self._pixels and len(self._pixels.keys() | asked.pixels.keys()) > MAX_PICTURES:
                raise BusyError(f"requests with {len(self._pixels):,} pictures are being answered or wait")
            self._number += 1
            self._jobs[self._number] = job
            self._pixels.update(asked.pixels)
            self._uses.update(job.keys)

            def cancelled() -> bool:
                return self._abandoned or job.is_cancelled()

            # within the lock: behind CLOSE nobody would find it
            self._waiting.put(replace(asked.query, id=self._number, cancelled=cancelled))
        return job

    def abandon(self) -> None:
        """Lets all requests end unanswered; may be called by a signal's handler, so it takes no lock."""
        self._abandoned = True

    def close(self) -> None:
        """Answers what has come, then ends; later requests are refused."""
        with self._lock:
            self._closed = True
            self._waiting.put(CLOSE)
        self._thread.join()

    def _work(self) -> None:
        while not self._ended:
            try:
                with closing(self._engine.answer(self._queries(), self._load)) as answers:
                    for answer in answers:
                        self._finish(answer)
            except Exception as error:  # the one boundary of the engine: said to all whom it concerns
                log.exception("the engine failed; it begins anew")
                for number in list(self._running):
                    self._finish(Answer(number, error=error))

    def _queries(self) -> Iterator[Query | None]:
        """What waits, None where nothing does while something runs; ends after CLOSE."""
        while True:
            try:
                query = self._waiting.get(block=not self._running)
            except queue.Empty:
                yield None
                continue
            if query is CLOSE:
                self._ended = True
                return
            assert isinstance(query.id, int), query.id
            self._running.add(query.id)
            yield query

    def _load(self, key: Hashable) -> Tensor:
        with self._lock:
            return self._pixels[key]

    def _finish(self, answer: Answer) -> None:
        assert isinstance(answer.id, int), answer.id
        self._running.remove(answer.id)
        with self._lock:
            job = self._jobs.pop(answer.id)
            for key in job.keys:
                self._uses[key] -= 1
                if not self._uses[key]:
                    del self._uses[key], self._pixels[key]
        job.on_done(answer)
