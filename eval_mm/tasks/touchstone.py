"""TouchStone: open questions about pictures, from descriptions to poems, judged against a reference answer.

Paper: Bai et al. 2023 (https://arxiv.org/abs/2308.16890), https://github.com/OFA-Sys/TouchStone. A language
model reads a person's description of the pictures, the question, the model's answer and a reference answer
that GPT-4 wrote from the description, and gives each answer 1 to 10, once in either order; the score is the
mean x 100. The package `touchstone` does that; a run here makes the answers and the official table of them.

908 English rows are public. No Chinese file is: `touchstone_zh` reads the same columns.

Row: a dialogue row (eval_mm/kinds/dialogue.py).
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from eval_mm.kinds import dialogue
from eval_mm.schema import Sample, Score, Task
from eval_mm.stats import Units, mean_units

UNSCORED = "not judged"

SCALE = 1000.0
"""The greatest score: a judgement of 10, x 100."""


class Dimension(NamedTuple):
    """One of the five dimensions, what its texts call it, and its sub-tasks."""

    name: str
    title: str
    aliases: tuple[str, ...]
    parts: tuple[tuple[str, ...], ...]
    """Each sub-task: its name, then other names of it."""


DIMENSIONS = (
    Dimension(
        "basic description",
        "Basic description",
        ("basic descriptive", "descriptive", "basic"),
        (("simple description", "simple"), ("detailed description", "detailed", "detail")),
    ),
    Dimension(
        "recognition",
        "Visual recognition",
        (),
        (
            ("attribute", "attributes"),
            ("movie/TV", "movie", "TV", "film", "movies and TV"),
            ("art", "artwork"),
            ("landmark", "landmarks"),
            ("celebrity", "celebrities"),
            ("emotion", "emotions"),
            ("text", "OCR"),
            ("object", "objects"),
            ("structure content", "structured content", "structural content", "structure"),
        ),
    ),
    Dimension(
        "comprehension",
        "Visual comprehension",
        (),
        (
            ("style appreciation", "style"),
            ("abstract image", "abstract images", "abstract"),
            ("meme", "memes"),
            ("image analysis",),
            ("chart", "charts"),
            ("problem solving", "general problem solving"),
            ("reasoning",),
        ),
    ),
    Dimension(
        "storytelling",
        "Visual storytelling",
        ("story telling",),
        (
            ("email", "mail", "e-mail"),
            ("poetry", "poem", "poems"),
            ("story", "stories"),
            (
                "advertisement/commodity recommendation",
                "advertisement",
                "ads",
                "commodity recommendation",
                "ads and commodity recommendation",
            ),
            ("brainstorming", "brainstorm"),
        ),
    ),
    Dimension(
        "multi-image",
        "Multi-image analysis",
        ("multi-image analysis", "multiple images", "multi image"),
        (
            ("image comparison", "two or several images compared", "comparison", "images compared"),
            ("summary", "image summary", "summarization"),
            ("commodity comparison",),
            ("step-by-step analysis", "step by step", "step-by-step"),
        ),
    ),
)
"""The five dimensions and their 27 sub-tasks."""

NOISE = frozenset({"ability", "visual", "recognition", "understanding", "comprehension", "writing", "task"})
"""Words that labels of a sub-task may have besides its name ("celebrity recognition")."""


class Place(NamedTuple):
    """Where a label belongs: a dimension, and a sub-task of it unless the label names the dimension."""

    dimension: str
    part: str | None


def _words(label: str) -> list[str]:
    return re.findall(r"\w+", label.lower().replace("_", " "))


def _key(label: str) -> str:
    """A label in its plainest form; without the words of NOISE unless it has no others."""
    words = _words(label)
    return "".join([word for word in words if word not in NOISE] or words)


def _keys(name: str) -> set[str]:
    return {_key(name), "".join(_words(name))}


def _places() -> dict[str, Place]:
    places: dict[str, Place] = {}
    for dimension in DIMENSIONS:
        titles = (dimension.name, dimension.title, *dimension.aliases)
        whole = Place(dimension.name, None)
        named = {"".join(_words(title + end)): whole for title in titles for end in ("", " ability")}
        for part in dimension.parts:
            named |= {key: Place(dimension.name, part[0]) for name in part for key in _keys(name)}
        for key, place in named.items():
            assert places.setdefault(key, place) == place, f"'{key}' names two parts of TouchStone"
    return places


_PLACES = _places()


def place_of(label: str) -> Place | None:
    """Where a category or task name belongs; None for one that the table does not know."""
    return _PLACES.get("".join(_words(label))) or _PLACES.get(_key(label))


def labels_of(sample: Sample) -> tuple[str, ...]:
    """The categories of a row, each once: it counts in every one."""
    stated = [label.strip() for label in str(sample.metadata["category"]).split(",")]
    return tuple(dict.fromkeys(label for label in stated if label))


def dimensions_of(sample: Sample) -> tuple[str, ...]:
    """The dimensions of a row by its categories; by its task name where those are none of the table's."""
    places = [place_of(label) for label in labels_of(sample)]
    found = [place.dimension for place in places if place is not None]
    if not found and (place := place_of(str(sample.metadata["task_name"]))) is not None:
        found = [place.dimension]
    return tuple(dict.fromkeys(found))


def parts_of(sample: Sample) -> tuple[str, ...]:
    """The sub-tasks of a row by categories and task name; labels that the table does not know are kept."""
    found: list[str] = []
    for label in (*labels_of(sample), str(sample.metadata["task_name"]).strip()):
        place = place_of(label)
        if place is None:
            found.append(label)
        elif place.part is not None:
            found.append(place.part)
    return tuple(dict.fromkeys(found))


def headline(samples: Sequence[Sample], scores: Sequence[Score]) -> Mapping[str, Units]:
    """What the score is the mean of where every answer has both its judgements: their mean."""
    return {"touchstone_score": mean_units(samples, [score.value or 0.0 for score in scores], SCALE)}


TASKS = [
    Task(
        name=name,
        path=f"touchstone/{name}.jsonl",
        num_samples=count,
        to_sample=dialogue.to_sample(language),
        protocols=dialogue.PROTOCOLS,
        metrics=lambda samples, scores: {},
        families=("dialogue",),
        headline=headline,
        submission=dialogue.SUBMISSION,
        unscored=UNSCORED,
    )
    for name, language, count in (("touchstone_en", "en", 908), ("touchstone_zh", "zh", None))
]
