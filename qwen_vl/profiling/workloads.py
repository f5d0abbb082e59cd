"""What benchmarks ask, by its shape alone: questions per picture and token lengths, for measuring speed.

Each table holds 20 values, the middles of 20 equal parts of the real distribution, counted with the official
tokenizer over the rows named in `source`. Texts are random ids, pictures are drawn; lengths of answers are
forced, so that every engine does the same work.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from qwen_vl.config import QwenVLConfig
from qwen_vl.engine import Query

FIRST_ID, LAST_ID = 256, 800
"""Random text is drawn from these ids, which every vocabulary has as plain text."""
PICTURE_SIZE = (640, 480)


@dataclass(frozen=True, slots=True)
class Workload:
    """Questions per picture, tokens of text behind the picture, tokens of the answer or one-token options.

    `images` are asked about unless told otherwise: for config small a minute or so of the published loop on
    two cores, and enough for the ratio to stand (benchmarks/engine/README.md).
    """

    questions: tuple[int, ...]
    text: tuple[int, ...]
    new_tokens: int
    source: str
    images: int
    options: int = 0


WORKLOADS = {
    "gqa": Workload(
        (8, 12, 15, 17, 19, 22, 24, 25, 26, 28, 30, 32, 34, 36, 38, 41, 45, 49, 58, 71),
        (7, 8, 8, 9, 9, 9, 10, 10, 10, 11, 11, 12, 12, 13, 13, 14, 15, 16, 17, 19),
        new_tokens=10,
        source="GQA testdev balanced: 12,578 questions, 398 pictures",
        images=4,
    ),
    "refcoco": Workload(
        (2, 4, 5, 5, 6, 6, 6, 6, 6, 6, 6, 6, 6, 7, 8, 9, 9, 11, 12, 15),
        (4, 5, 5, 5, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7, 8, 8, 9, 9, 10, 13),
        new_tokens=28,
        source="RefCOCO val (UNC): 10,834 expressions, 1,500 pictures; three marks around each",
        images=6,
    ),
    "vqav2": Workload(
        (5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6),
        (6, 7, 7, 8, 8, 8, 8, 8, 9, 9, 9, 10, 10, 10, 10, 11, 11, 11, 12, 14),
        new_tokens=10,
        source="VQAv2 val: 214,354 questions, 40,504 pictures, spread assumed; lengths of 2,962 questions",
        images=12,
    ),
    "caption": Workload(
        (1,) * 20, (6,) * 20, new_tokens=30, source="captioning: one prompt a picture", images=48
    ),
    "seedbench": Workload(
        (1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3, 3, 4, 5, 6, 8),
        (31, 32, 32, 34, 35, 35, 35, 36, 36, 37, 38, 39, 39, 39, 41, 42, 42, 45, 46, 51),
        new_tokens=0,
        source="SEED-Bench, image part: 14,233 questions, 5,624 pictures; lengths of 14 prompts with options",
        options=4,
        images=6,
    ),
    "docvqa": Workload(
        (1, 1, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 5, 5, 5, 6, 6, 7, 8, 10),
        (7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 15, 16, 17, 18, 21, 26),
        new_tokens=10,
        source="DocVQA val: 5,349 questions, 1,286 pictures; answers of 10 tokens assumed",
        images=12,
    ),
}


def queries(
    config: QwenVLConfig, workload: Workload, images: int, folder: Path, seed: int = 0
) -> list[Query]:
    """All questions about so many pictures, which `draw_pictures` puts into the folder; one picture's stand
    together.

    The pictures stand for the whole distribution of questions per picture: its middle for one, evenly spaced
    parts for more.
    """
    rng, found = random.Random(seed), []
    order = list(range(images))
    rng.shuffle(order)
    table = workload.questions
    for image in order:
        for number in range(table[int((image + 0.5) * len(table) / images)]):
            ids = (*image_span(config), *text(rng, rng.choice(workload.text)))
            options = tuple((token,) for token in rng.sample(range(FIRST_ID, LAST_ID), workload.options))
            limit = workload.new_tokens
            found.append(Query((image, number), ids, (_path(folder, image),), options, limit, limit))
    return found


def one_question(config: QwenVLConfig, text_tokens: int, new_tokens: int, folder: Path) -> Query:
    """A question of so many tokens about one picture, with an answer of so many."""
    ids = (*image_span(config), *text(random.Random(0), text_tokens))
    return Query(0, ids, (_path(folder, 0),), (), new_tokens, new_tokens)


def draw_pictures(asked: Iterable[Query]) -> None:
    """Puts the pictures of these questions where they say."""
    for path in {Path(str(key)) for query in asked for key in query.images}:
        path.parent.mkdir(parents=True, exist_ok=True)
        _draw(path, int(path.stem))


def image_span(config: QwenVLConfig) -> tuple[int, ...]:
    """The ids of one picture."""
    start = config.visual.image_start_id
    return (start, *[start + 2] * config.visual.n_queries, start + 1)


def text(rng: random.Random, length: int) -> tuple[int, ...]:
    """Random ids."""
    return tuple(rng.choices(range(FIRST_ID, LAST_ID), k=length))


def _path(folder: Path, image: int) -> str:
    return str(folder / f"{image}.jpg")


def _draw(path: Path, seed: int) -> None:
    """A JPEG of the size of a photograph, soft like one."""
    noise = np.random.default_rng(seed).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    Image.fromarray(noise).resize(PICTURE_SIZE, Image.Resampling.BICUBIC).save(path, quality=90)
