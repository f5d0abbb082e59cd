"""The demo rows of the benchmarks with options, with clips, and with yes and no for each picture.

ScienceQA, SEED-Bench, MMBench and MME in miniature. Pictures are those of seeds that demo_rows.py leaves, and
no picture stands in two benchmarks or splits, except that the rows of scienceqa_test_img are those of
scienceqa_test which have a picture.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from data_scripts.drawn import clips, options
from data_scripts.drawn.conversations import Picture, picture
from data_scripts.drawn.demo_rows import EACH, FIRST
from data_scripts.drawn.options import Ask, Asked
from data_scripts.drawn.school import LESSONS
from data_scripts.drawn.yes_no_pairs import SUBTASKS, pair

SEEDS = 1000
"""Seeds of one demo seed."""

SPARE = 5
"""The last seeds of each split of demo_rows.py, which it does not use."""

FIRST_CLIP = 990
"""Clips have frames of their own, so that their seeds may be those of pictures."""

CLIPS = 8

ROTATION = 1_000_000
"""MMBench: what is added to a question's index for each rotation of its options."""

Row = dict[str, Any]


class Drawn(NamedTuple):
    """Every row by the path of its file, and every picture by its own path."""

    rows: dict[str, list[Row]]
    pictures: dict[str, Picture]


class School(NamedTuple):
    """A question of ScienceQA's kind about a picture."""

    show: str
    ask: Ask
    subject: str
    grade: str
    hint: str = ""


class Part(NamedTuple):
    """A question of MMBench's kind: its two categories, and what it asks of what."""

    show: str
    ask: Ask
    category: str
    l2_category: str


CORNERS = "A triangle has 3 corners, a square 4, a star 10 and a cross 12. A circle has none."

SCHOOL = (
    School("diagram", options.part, "natural science", "grade2"),
    School("scene", options.corners, "natural science", "grade3", CORNERS),
    School("chart", options.tallest, "social science", "grade4", "The bars count the votes of four parties."),
    School("book", options.author, "language science", "grade2"),
    School("scene", options.relation, "natural science", "grade7", "Compare the middles of the shapes."),
    School("poster", options.largest, "social science", "grade5", "The poster counts what people collect."),
    School("page", options.text, "language science", "grade8", "A heading is printed above the other lines."),
    School("diagram", options.label, "natural science", "grade6", "Each letter is beside its shape."),
)
"""Asked twice, each time of another picture."""

SEED_BENCH: tuple[tuple[tuple[str, ...], tuple[tuple[str, Ask], ...]], ...] = (
    (("scene",), (("2", options.shape), ("3", options.colour))),
    (("scene",), (("4", options.place), ("6", options.relation))),
    (("scene",), (("5", options.count), ("8", options.reasoning))),
    (("scene",), (("7", options.common),)),
    (("card", "book", "page", "card"), (("1", options.overall), ("9", options.text))),
)
"""What the pictures show, in turn, and by dimension what each of them is asked."""

OF_EACH = 4
"""Pictures for each line above."""

MMBENCH_DEV = (
    Part("scene", options.colour, "attribute_recognition", "finegrained_perception (instance-level)"),
    Part("scene", options.place, "object_localization", "finegrained_perception (instance-level)"),
    Part("card", options.text, "ocr", "finegrained_perception (instance-level)"),
    Part("scene", options.relation, "spatial_relationship", "finegrained_perception (cross-instance)"),
    Part("scene", options.common, "attribute_comparison", "finegrained_perception (cross-instance)"),
    Part("poster", options.overall, "image_scene", "coarse_perception"),
    Part("chart", options.tallest, "structuralized_imagetext_understanding", "logic_reasoning"),
    Part("diagram", options.part, "structuralized_imagetext_understanding", "logic_reasoning"),
)
MMBENCH_TEST = (
    Part("scene", options.shape, "attribute_recognition", "finegrained_perception (instance-level)"),
    Part("book", options.text, "ocr", "finegrained_perception (instance-level)"),
    Part("scene", options.relation, "spatial_relationship", "finegrained_perception (cross-instance)"),
    Part("book", options.cover, "attribute_recognition", "finegrained_perception (instance-level)"),
    Part("page", options.overall, "image_scene", "coarse_perception"),
    Part("chart", options.tallest, "structuralized_imagetext_understanding", "logic_reasoning"),
)


def drawn(first_seed: int) -> Drawn:
    """All rows with their pictures, from this seed on."""
    maker = _Maker(first_seed)
    school = _school(maker)
    rows = {
        "scienceqa/scienceqa_test_img.jsonl": [row for row in school if "image" in row],
        "scienceqa/scienceqa_test.jsonl": school,
        "seedbench/seedbench_image.jsonl": _seed_images(maker),
        "mmbench/mmbench_dev.jsonl": _mmbench(maker, MMBENCH_DEV, "dev"),
        "mmbench/mmbench_test.jsonl": _mmbench(maker, MMBENCH_TEST, "test"),
        "mme/mme.jsonl": _mme(maker),
    }
    rows["seedbench/seedbench_video.jsonl"] = _seed_clips(maker, len(rows["seedbench/seedbench_image.jsonl"]))
    return Drawn(rows, maker.pictures)


class _Maker:
    """Gives each picture once, and keeps those that were taken."""

    def __init__(self, first_seed: int) -> None:
        self.first_seed = first_seed
        self.pictures: dict[str, Picture] = {}

    def suitable(self, show: str, asks: Sequence[Ask]) -> tuple[str, list[Asked]]:
        """The path of the next picture of that family that can be asked all of this, and the questions."""
        for seed in self._spare_seeds():
            path = f"{show}s/{seed:06d}.png"
            if path in self.pictures:
                continue
            shown, rng = picture(seed, shows=(show,)), random.Random(f"options {seed}")
            made = [found for ask in asks if (found := ask(shown, rng))]
            if len(made) == len(asks):
                self.pictures[path] = shown
                return path, made
        raise AssertionError(f"no {show} is left from seed {self.first_seed} on")

    def _spare_seeds(self) -> Iterator[int]:
        for number in range(FIRST, SEEDS):
            if (number - FIRST) % EACH >= EACH - SPARE:
                yield self.first_seed + number


def _school(maker: _Maker) -> list[Row]:
    """ScienceQA: after every two questions about a picture one without."""
    rows: list[Row] = []
    for number, one in enumerate((*SCHOOL, *SCHOOL)):
        path, (asked,) = maker.suitable(one.show, (one.ask,))
        rng = random.Random(path)
        row = {"image": path, **_choices(asked, rng.choice((3, 4, 5)), rng), "subject": one.subject}
        rows.append(row | {"grade": one.grade} | ({"hint": one.hint} if one.hint else {}))
        if number % 2:
            lesson = LESSONS[number // 2]
            right, *wrong = lesson.options
            asked = Asked(lesson.question, right, tuple(wrong))
            row = _choices(asked, len(lesson.options), random.Random(lesson.question))
            rows.append(
                row
                | {"subject": lesson.subject, "grade": lesson.grade}
                | ({"hint": lesson.hint} if lesson.hint else {})
            )
    return [{"id": str(number), **row} for number, row in enumerate(rows)]


def _seed_images(maker: _Maker) -> list[Row]:
    rows: list[Row] = []
    for shows, asks in SEED_BENCH:
        for number in range(OF_EACH):
            path, found = maker.suitable(shows[number % len(shows)], [ask for _, ask in asks])
            for (dimension, _), asked in zip(asks, found, strict=True):
                fields = _choices(asked, 4, random.Random(f"{path} {dimension}"))
                rows.append(
                    {"id": f"{len(rows)}:{dimension}", "images": [path], **fields, "category": dimension}
                )
    return rows


def _seed_clips(maker: _Maker, first: int) -> list[Row]:
    rows: list[Row] = []
    for seed in range(maker.first_seed + FIRST_CLIP, maker.first_seed + FIRST_CLIP + CLIPS):
        shown = clips.clip(seed)
        frames = {f"clips/{seed:06d}_{place}.png": frame for place, frame in enumerate(shown.frames)}
        maker.pictures.update(frames)
        rng = random.Random(f"questions {seed}")
        for question in clips.questions(shown, rng):
            fields = _choices(Asked(question.text, question.answer, question.wrong), 4, rng)
            category = str(question.dimension)
            number = first + len(rows)
            rows.append(
                {"id": f"{number}:{category}", "images": list(frames), **fields, "category": category}
            )
    return rows


def _mmbench(maker: _Maker, parts: Sequence[Part], split: str) -> list[Row]:
    """Every question once for each rotation of its options; the answers of the test split are left out."""
    rows: list[Row] = []
    for number, one in enumerate(parts):
        path, (asked,) = maker.suitable(one.show, (one.ask,))
        rng = random.Random(path)
        fields = _choices(asked, rng.choice((2, 3, 4)), rng)
        texts, right = fields["choices"], fields["choices"][fields["answer"]]
        for turn in range(len(texts)):
            rotated = texts[turn:] + texts[:turn]
            row = {"id": str(number + turn * ROTATION), "image": path, **fields, "choices": rotated}
            row |= {"answer": rotated.index(right), "category": one.category, "l2_category": one.l2_category}
            row |= {"source": "drawn", "split": split}
            rows.append({key: value for key, value in row.items() if split == "dev" or key != "answer"})
    return rows


def _mme(maker: _Maker) -> list[Row]:
    rows: list[Row] = []
    for subtask in SUBTASKS:
        for _ in range(OF_EACH):
            path, (asked,) = maker.suitable(subtask.show, (subtask.ask,))
            image = path.rpartition("/")[2]
            for place, (question, answer) in enumerate(pair(asked)):
                rows.append(
                    {
                        "id": f"{subtask.name}/{image}#{place}",
                        "image": path,
                        "question": question,
                        "answer": answer,
                        "category": subtask.name,
                    }
                )
    return rows


def _choices(asked: Asked, most: int, rng: random.Random) -> Row:
    """Question, shuffled options, up to `most` of them, and the index of the right one."""
    texts = [asked.answer, *asked.wrong[: most - 1]]
    rng.shuffle(texts)
    return {"question": asked.question, "choices": texts, "answer": texts.index(asked.answer)}
