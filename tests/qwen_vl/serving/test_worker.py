"""The engine's thread: what comes is answered once, and nothing of it is left behind."""

import gc
import threading
import weakref
from collections.abc import Iterator
from queue import Queue
from typing import Any

import pytest
import torch

from qwen_vl.engine import Answer, Engine, Query
from qwen_vl.serving import worker as module
from qwen_vl.serving.worker import Asked, BusyError, ClosedError, Worker
from qwen_vl.session import QwenVL
from tests.qwen_vl.serving.running import wait_for

ASKED = Asked(Query(None, (5, 6, 7), max_new_tokens=2), {})
ENDLESS = Asked(Query(None, (5, 6, 7), min_new_tokens=8000, max_new_tokens=8000), {})


@pytest.fixture
def worker(session: QwenVL) -> Iterator[Worker]:
    """A thread of its own."""
    made = Worker(Engine(session.loaded.model, slots=2, check=True))
    yield made
    made.abandon()
    made.close()


def shown(session: QwenVL, shade: float) -> Asked:
    """A question about a picture of one colour."""
    visual = session.loaded.config.visual
    ids = [*session.loaded.tokenizer.image_span(), 5]
    pixels = torch.full((3, visual.image_size, visual.image_size), shade)
    return Asked(Query(None, tuple(ids), (shade,), max_new_tokens=1), {shade: pixels})


def test_an_engine_that_fails_begins_anew(session: QwenVL, monkeypatch: pytest.MonkeyPatch) -> None:
    """One failure inside ended the engine's thread, and every later request waited for ever."""
    engine = Engine(session.loaded.model)
    plain, failures = engine.answer, [RuntimeError("a fault inside")]

    def faulty(*given: Any) -> Iterator[Answer]:
        for answer in plain(*given):
            if failures:
                raise failures.pop()
            yield answer

    monkeypatch.setattr(engine, "answer", faulty)
    worker = Worker(engine)
    ended: Queue[Answer] = Queue()
    worker.submit(ASKED, ended.put)
    assert str(ended.get(timeout=60).error) == "a fault inside"
    worker.submit(ASKED, ended.put)
    assert ended.get(timeout=60).error is None
    worker.close()
    with pytest.raises(ClosedError):
        worker.submit(ASKED, ended.put)


def test_a_request_that_comes_as_the_worker_closes(worker: Worker) -> None:
    """Taken in and put behind the end of the line, it was never answered, and its client waited for ever."""
    ended: Queue[Answer] = Queue()
    put, closing = worker._waiting.put, threading.Thread(target=worker.close)

    def slow(query: Query | None) -> None:
        if query is not None:
            closing.start()
            closing.join(timeout=0.3)  # it has the time to put its end before this
        put(query)

    worker._waiting.put = slow  # type: ignore[assignment, method-assign]
    worker.submit(ASKED, ended.put)
    assert len(ended.get(timeout=60).ids) == 2
    closing.join(timeout=60)
    assert not worker.is_alive


def test_nothing_is_left_of_what_is_answered(session: QwenVL, worker: Worker) -> None:
    """Pixels that only the garbage collector frees pile up to gigabytes before it comes."""
    ended: Queue[Answer] = Queue()
    gone = []
    gc.disable()
    try:
        for shade in (0.1, 0.2, 0.3):
            asked = shown(session, shade)
            gone.append(weakref.ref(asked.pixels[shade]))
            job = worker.submit(asked, ended.put)
            if shade == 0.2:
                job.cancel()
            del asked, job
            ended.get(timeout=60)
        wait_for(lambda: [one() for one in gone[:2]] == [None, None])
    finally:
        gc.enable()
    assert (worker._jobs, worker._pixels, dict(worker._uses), worker._running) == ({}, {}, {}, set())


def test_what_is_abandoned_ends_at_once(worker: Worker) -> None:
    """A server that must end goes on with answers of 8,000 tokens, or forgets to end them."""
    ended: Queue[Answer] = Queue()
    for _ in range(6):
        worker.submit(ENDLESS, ended.put)
    worker.abandon()
    assert [ended.get(timeout=60).stop_reason for _ in range(6)] == ["cancelled"] * 6
    with pytest.raises(ClosedError):
        worker.submit(ASKED, ended.put)
    assert worker.num_jobs == 0


def test_pictures_of_all_requests_have_a_bound(
    session: QwenVL, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Five hundred requests of sixteen pictures each are twenty gigabytes of pixels that wait."""
    monkeypatch.setattr(module, "MAX_PICTURES", 2)
    ended: Queue[Answer] = Queue()
    waiting = [worker.submit(ENDLESS, ended.put) for _ in range(2)]  # the engine's two slots
    for shade in (0.1, 0.2, 0.1):
        worker.submit(shown(session, shade), ended.put)  # the third has a picture that is there
    with pytest.raises(BusyError, match="2 pictures"):
        worker.submit(shown(session, 0.3), ended.put)
    for job in waiting:
        job.cancel()
    for _ in range(5):
        ended.get(timeout=60)
    worker.submit(shown(session, 0.3), ended.put)
    assert ended.get(timeout=60).error is None
