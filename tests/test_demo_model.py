"""The bundled demo model really answers: on drawn pictures of seeds that no training uses."""

import importlib.util
from pathlib import Path

import pytest

from data_scripts.drawn.scenes import FIRST_TRAINING_SEED
from qwen_vl.checkpoint import DEMO_FOLDER, load

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "demo_model" / "measure_demo.py"
SCENES = 80


@pytest.fixture(scope="module")
def verdicts() -> dict[str, list[bool]]:
    spec = importlib.util.spec_from_file_location("measure_demo", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.FIRST_SEED + SCENES < FIRST_TRAINING_SEED
    found: dict[str, list[bool]] = script.measure(load(DEMO_FOLDER, "cpu", "float32"), SCENES)
    return found


def share(verdicts: dict[str, list[bool]], *kinds: str, least: int = 50) -> float:
    answers = [verdict for kind in kinds for verdict in verdicts[kind]]
    assert len(answers) >= least, f"{kinds}: only {len(answers)} questions"
    return sum(answers) / len(answers)


def test_it_finds_things(verdicts: dict[str, list[bool]]) -> None:
    """IoU >= 0.5 for at least 70 % of the expressions over two and three shapes."""
    assert share(verdicts, "grounding, 2 shapes", "grounding, 3 shapes") >= 0.70


@pytest.mark.parametrize("kind", ["colour", "shape", "yes/no"])
def test_it_answers_short_questions(verdicts: dict[str, list[bool]], kind: str) -> None:
    """At least 85 % right; yes and no are asked equally often, so half would be guessing."""
    assert share(verdicts, kind) >= 0.85


def test_it_describes_pictures(verdicts: dict[str, list[bool]]) -> None:
    """At least 60 % of the captions name every shape with its colour."""
    assert share(verdicts, "caption") >= 0.60


def test_it_reads_words(verdicts: dict[str, list[bool]]) -> None:
    """Cards, titles, authors, headings and names, out of 45 words: at least 80 % right, letter for letter."""
    assert share(verdicts, "word", "title", "author", "heading", "name") >= 0.80


def test_it_reads_numbers(verdicts: dict[str, list[bool]]) -> None:
    """Numbers of one and two digits on cards and pages: at least 60 % right, every digit."""
    assert share(verdicts, "number", "field", least=20) >= 0.60


def test_it_reads_bars(verdicts: dict[str, list[bool]]) -> None:
    """The value of a bar by its colour, at least 60 % right; guessing one of nine would be 11 %."""
    assert share(verdicts, "value") >= 0.60
    assert share(verdicts, "tallest") >= 0.80


def test_it_finds_letters_of_diagrams(verdicts: dict[str, list[bool]]) -> None:
    """Which letter stands beside a shape, and the other way round: at least 80 % right."""
    assert share(verdicts, "label", "part") >= 0.80
