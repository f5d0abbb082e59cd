"""Small runs to judge, and the server that judges them."""

import json
from pathlib import Path
from typing import Any

from PIL import Image

import eval_mm
from eval_mm.calls.patience import Patience
from touchstone.asking import Limits
from touchstone.options import Options

QUICK = Patience(tries=12, first=0.01, longest=0.05)


def rows(count: int, pictures: int | None = None) -> list[dict[str, Any]]:
    """Rows of touchstone_en; `pictures` pictures in turn."""
    return [
        {
            "id": str(number),
            "images": [f"pictures/{number % (pictures or count)}.png"],
            "question": f"What is thing {number}?",
            "human_annotation": f"A red square with the number {number}.",
            "reference_answer": f"A red square, number {number}.",
            "category": "recognition" if number % 2 else "basic description,recognition",
            "task_name": "object" if number % 2 else "simple description",
            "language": "en",
        }
        for number in range(count)
    ]


def write_run(
    tmp_path: Path,
    count: int = 4,
    pictures: int | None = None,
    answers: dict[str, str] | None = None,
    changes: dict[str, str] | None = None,
) -> Path:
    """A data root, a file of answers and the run folder made of them by `eval_mm run`."""
    data = tmp_path / "data"
    (data / "touchstone").mkdir(parents=True, exist_ok=True)
    (data / "pictures").mkdir(exist_ok=True)
    made = [row | (changes or {}) for row in rows(count, pictures)]
    for row in made:
        path = data / row["images"][0]
        if not path.exists() and count < 100:
            Image.new("RGB", (20, 20), (200, 0, 0)).save(path)
    lines = "".join(json.dumps(row) + "\n" for row in made)
    (data / "touchstone/touchstone_en.jsonl").write_text(lines, encoding="utf-8")
    texts = {row["id"]: f"A square {row['id']}" for row in made} | (answers or {})
    file = tmp_path / "answers.json"
    file.write_text(json.dumps(texts), encoding="utf-8")
    run = tmp_path / "run"
    eval_mm.evaluate(f"echo:{file}", "touchstone_en", data, out=run)
    return run


def options(url: str, **changes: Any) -> Options:
    """A judge behind the server, impatient."""
    limits = Limits(changes.pop("concurrency", 16), changes.pop("seconds", 5.0), QUICK)
    return Options("m", base_url=url, limits=limits, **changes)


def journal(run: Path) -> list[dict[str, Any]]:
    """The lines of the run's only journal."""
    (path,) = (run / "touchstone_en/judge").glob("*.jsonl")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
