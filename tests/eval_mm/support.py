"""Small data sets and a scripted model for the tests of the harness."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from eval_mm.schema import ModelInfo, Prediction, Request

BOX_ANSWER = "(100,200),(500,600)"
"""Equals the box of every row of `rows` exactly."""


def rows(count: int = 6, images: int = 2) -> list[dict[str, Any]]:
    """Grounding rows on pictures of 999 x 999 stated pixels, so that answers and pixels have one unit."""
    return [
        {
            "id": f"s{index}",
            "image": f"pictures/{index % images}.png",
            "expression": f"thing {index}",
            "box": [100, 200, 500, 600],
            "width": 999,
            "height": 999,
        }
        for index in range(count)
    ]


def write_data(root: Path, lines: Sequence[Any], task: str = "refcoco_val") -> Path:
    """A data root with one task; `lines` are rows or raw text, pictures are small."""
    file = root / task.partition("_")[0] / f"{task}.jsonl"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(
        "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines),
        encoding="utf-8",
    )
    (root / "pictures").mkdir(exist_ok=True)
    for index in range(4):
        Image.new("RGB", (20, 20), (40 * index, 0, 0)).save(root / "pictures" / f"{index}.png")
    return root


class ScriptedModel:
    """A back end that answers by a function and remembers what it was asked."""

    def __init__(
        self, answer: Callable[[Request], str] = lambda request: BOX_ANSWER, fingerprint: str = "f1"
    ):
        self.info = ModelInfo("scripted", fingerprint, protocol="qwen-vl")
        self.answer = answer
        self.asked: list[str] = []

    def generate(self, requests: Iterable[Request]) -> Iterator[Prediction]:
        for request in requests:
            self.asked.append(request.id)
            try:
                yield Prediction(request.id, self.answer(request), stop_reason="stop")
            except ValueError as error:
                yield Prediction(request.id, error=str(error))
