"""A long stream through the engine: memory must not grow with the number of questions."""

import gc
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from qwen_vl.config import QwenVLConfig
from qwen_vl.engine import Engine, Query
from qwen_vl.model import random_model
from tests.qwen_vl.conftest import tiny_config  # noqa: F401

REQUESTS, IMAGES = 20_000, 5_000
WARM_UP = 2_000
MOST_GROWTH = 50_000_000


def resident() -> int:
    """Bytes of this process in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux to read its resident memory")
def test_twenty_thousand_questions(tiny_config: QwenVLConfig) -> None:  # noqa: F811
    """Features, families or answers that are kept for ever, and pictures read too far ahead, show here."""
    torch.set_num_threads(1)
    values = tiny_config.to_dict() | {"num_hidden_layers": 1}
    model = random_model(QwenVLConfig.from_dict(values), seed=3, std=0.2)
    visual = model.config.visual
    span = (visual.image_start_id, *[0] * visual.n_queries, visual.image_start_id + 1)

    def queries() -> Iterator[Query]:
        rng = random.Random(7)
        for number in range(REQUESTS):
            ids = (*span, *rng.choices(range(440), k=rng.randrange(1, 20)))
            options = ((1,), (2, 3)) if number % 5 == 0 else ()
            image = number * IMAGES // REQUESTS
            yield Query(number, ids, (image,), options, 0, rng.randrange(1, 8), frozenset(range(40)))

    def pixels(image: int) -> Tensor:
        return torch.full((3, 28, 28), image / IMAGES)

    engine = Engine(model)
    before, count = 0, 0
    for answer in engine.answer(queries(), pixels):
        assert answer.error is None
        count += 1
        if count == WARM_UP:
            before = resident()
    assert count == REQUESTS
    assert engine.work.images == IMAGES
    assert resident() - before < MOST_GROWTH
