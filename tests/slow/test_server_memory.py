"""A long day of a server: memory must not grow with the number of requests."""

import gc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qwen_vl.session import QwenVL
from tests.qwen_vl.serving.running import chat, data_url, picture, serving

REQUESTS, WARM_UP = 5_000, 1_000
MOST_GROWTH = 30_000_000


def resident() -> int:
    """Bytes of this process in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux to read its resident memory")
def test_five_thousand_requests() -> None:
    """Pictures, jobs or texts that are kept for ever show here."""
    with serving(QwenVL.from_pretrained("demo", "cpu", "float32"), slots=32) as server:

        def ask(number: int) -> int:
            url = "data:image/png;base64,!" if number % 7 == 0 else data_url(picture(number))
            body = chat({"url": url}, f"{number}?", max_tokens=3, stream=number % 2 == 0)
            return server.post("/v1/chat/completions", body)[0]

        with ThreadPoolExecutor(32) as pool:
            assert set(pool.map(ask, range(WARM_UP))) == {200, 400}
            before = resident()
            assert set(pool.map(ask, range(WARM_UP, WARM_UP + REQUESTS))) == {200, 400}
        assert resident() - before < MOST_GROWTH
        assert server.worker.num_jobs == 0
