"""A model loaded, and requests of every kind put to it."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from eval_mm import models
from eval_mm.data import DEMO_ROOT
from eval_mm.errors import UserError
from eval_mm.models import Settings
from eval_mm.models.hf import HFBackend
from eval_mm.schema import Image, Mark, Prediction, Request
from tests.eval_mm.hf import tiny_models

PICTURES = sorted(str(path) for path in (DEMO_ROOT / "scenes").glob("*.png"))[:6]
FAMILIES = [*tiny_models.FAMILIES, *tiny_models.OTHERS]


def backend(folder: Path, **settings: object) -> HFBackend:
    """A model on the CPU in float32."""
    made = models.load(f"hf:{folder}", Settings("cpu", "float32", **settings))  # type: ignore[arg-type]
    assert isinstance(made, HFBackend)
    return made


def ask(model: HFBackend, requests: Iterable[Request]) -> dict[str, Prediction]:
    """The answers by id; none may have failed."""
    answers = {answer.id: answer for answer in model.generate(requests)}
    assert [answer.error for answer in answers.values()] == [None] * len(answers)
    return answers


def requests() -> list[Request]:
    """Prompts of many lengths, one to three pictures or none, texts to write and choices to rank."""
    made = [
        Request(f"text{i}", (Image(path), f"What is this?{' Say more.' * i}"), max_new_tokens=8 + i % 2)
        for i, path in enumerate(PICTURES)
    ]
    pair = (Image(PICTURES[0]), "and", Image(PICTURES[3]), Mark("<ref>"), "which?")
    made.append(Request("pair", pair, max_new_tokens=8))
    made += [
        Request(f"rank{i}", (Image(path), "Which?"), choices=(" red", " a blue one", "C")[: 2 + i % 2])
        for i, path in enumerate(PICTURES[:3])
    ]
    return made


def refused(folder: Path, **settings: object) -> str:
    """The line that refuses a checkpoint."""
    with pytest.raises(UserError) as error:
        backend(folder, **settings)
    assert "\n" not in str(error.value)
    return str(error.value)
