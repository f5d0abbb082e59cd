"""Run folders of twelve tasks with made-up rows, pictures and answers, the same for every run of a seed.

Pictures are 640 x 480 JPEGs of about 100 kB with the grain of photographs, five questions to each. The
folders are made by the program itself, from a back end that knows the right answers and gives them as often
as told.
"""

import random
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from eval_mm.files import jsonl
from eval_mm.run import run
from eval_mm.schema import ModelInfo, Prediction, Request
from eval_mm.tasks import get

SEED = 20_260_101
PICTURES = 500
WIDTH, HEIGHT = 640, 480

GROUNDING = ("refcoco_val", "refcoco_testA", "refcoco+_val")
TEN_ANSWERS = ("vqav2_val", "okvqa_val", "textvqa_val")
ONE_ANSWER = ("docvqa_val", "chartqa_test_human", "gqa_testdev", "ocrvqa_test")
TASKS = (*GROUNDING, *TEN_ANSWERS, *ONE_ANSWER, "seedbench_image", "nocaps_val")

SPOKEN = (
    "man woman dog cat red blue white black green small large left right top of the in on a street table "
    "holding standing next to near two three cars bus train sign building sky grass water snow plate food "
    "pizza cake phone laptop book shirt hat umbrella ball bat glove horse cow sheep bird boat plane clock"
)
WORDS = SPOKEN.split()


class Knowing:
    """A back end that gives the right answer to some samples, another to the rest, none to a few."""

    def __init__(self, name: str, answers: Mapping[str, tuple[str, str]], share: float, seed: int):
        self.info = ModelInfo(name, f"made up {seed}", protocol="qwen-vl")
        self._answers, self._share, self._random = answers, share, random.Random(seed)

    def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
        """Answers each request exactly once."""
        for request in requests:
            right, wrong = self._answers[request.id]
            draw = self._random.random()
            text = right if draw < self._share else "" if draw > 0.98 else wrong
            if request.choices:
                ranks = tuple(0.0 if choice.strip() == text else -1.0 for choice in request.choices)
                yield Prediction(request.id, choice_logprobs=ranks)
            else:
                yield Prediction(
                    request.id, text, stop_reason="stop", prompt_tokens=280, new_tokens=len(text) // 4
                )


def make(folder: Path, num_runs: int, num_samples: int) -> list[Path]:
    """The run folders, made where they are not there yet."""
    data = folder / "data"
    if not (data / "pictures").is_dir():
        _pictures(data / "pictures")
    runs = [folder / "runs" / f"model-{number}" for number in range(num_runs)]
    for task in TASKS:
        rows, answers = _rows(task, num_samples)
        path = data / get(task).path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jsonl(rows))
        for number, out in enumerate(runs):
            if not (out / task / "result.json").exists():
                run(Knowing(out.name, answers, 0.5 + 0.08 * number, SEED + number), [task], data, out=out)
    return runs


def _pictures(folder: Path) -> None:
    import numpy as np
    from PIL import Image

    folder.mkdir(parents=True)
    noise = np.random.default_rng(SEED)
    for number in range(PICTURES):
        coarse = Image.fromarray(noise.integers(0, 255, (30, 40, 3), dtype=np.uint8))
        smooth = np.asarray(coarse.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC)).astype(int)
        grain = smooth + noise.normal(0, 8, smooth.shape)
        Image.fromarray(grain.clip(0, 255).astype(np.uint8)).save(folder / f"{number}.jpg", quality=90)


def _rows(task: str, count: int) -> tuple[list[dict[str, Any]], dict[str, tuple[str, str]]]:
    """The rows of a task, and by id the right answer and a wrong one."""
    draw = random.Random(f"{SEED} {task}")
    rows, answers = [], {}
    for number in range(count):
        row, right, wrong = _row(task, draw)
        row = {"id": str(number), "image": f"pictures/{number // 5 % PICTURES}.jpg", **row}
        rows.append(row)
        answers[row["id"]] = right, wrong
    return rows, answers


def _row(task: str, draw: random.Random) -> tuple[dict[str, Any], str, str]:
    if task in GROUNDING:
        left, top = draw.randrange(0, 300), draw.randrange(0, 200)
        box = [left, top, left + draw.randrange(40, 300), top + draw.randrange(40, 250)]
        scaled = [999 * edge // side for edge, side in zip(box, [WIDTH, HEIGHT] * 2, strict=True)]
        answer = "({},{}),({},{})"
        row = {"expression": _text(draw, 4), "box": box, "width": WIDTH, "height": HEIGHT}
        return row, answer.format(*scaled), answer.format(0, 0, scaled[2] // 2 + 1, scaled[3] // 2 + 1)
    if task == "nocaps_val":
        captions = [_text(draw, 11) for _ in range(10)]
        return {"captions": captions, "domain": "near-domain"}, captions[0], _text(draw, 11)
    if task == "seedbench_image":
        place = draw.randrange(4)
        row = {
            "question": _text(draw, 9) + "?",
            "choices": [_text(draw, 3) for _ in range(4)],
            "answer": place,
            "category": str(draw.randrange(1, 10)),
        }
        return row, "ABCD"[place], "ABCD"[place - 1]
    right, other = _text(draw, 2), _text(draw, 2)
    agreed = draw.randrange(4, 11) if task in TEN_ANSWERS else 1
    answers = [right] * agreed + [_text(draw, 2) for _ in range(10 - agreed if task in TEN_ANSWERS else 0)]
    kind = draw.choice(["number", "other", "yes/no"])
    return {"question": _text(draw, 9) + "?", "answers": answers, "answer_type": kind}, right, other


def _text(draw: random.Random, words: int) -> str:
    return " ".join(draw.choices(WORDS, k=words))
