"""One row of every kind of benchmark."""

from pathlib import Path
from typing import Any

from eval_mm import tasks

ROOT = Path("root")

IMAGE = {"id": "7", "image": "pictures/0.png"}


def row_of(name: str) -> dict[str, Any]:
    """A canonical row of a task."""
    families = tasks.get(name).families
    if "captioning" in families:
        return {**IMAGE, "captions": ["a man", "a man in blue"]}
    if "grounding" in families:
        return {**IMAGE, "expression": "man in blue", "box": [1, 2, 9, 9], "width": 20, "height": 20}
    if name == "ai2d_test":
        return {**IMAGE, "question": "What is it?", "choices": ["fox", "owl", "newt", "bat"], "answer": 1}
    return {**IMAGE, "question": "What is it?", "answers": ["owl"] * 10}
