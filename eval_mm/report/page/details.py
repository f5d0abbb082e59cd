"""What the failure browser shows of one sample and of one run's answer to it, as plain JSON values.

Short keys, since a page holds thousands of them. A sample: `q` question, `c` options, `r` references as
[text, times, letter], `b` its box and `s` the width and height that boxes are in, `p` the prompt by way of
asking, `n` the normalised references by scorer, `i` 0 where it has no picture. An answer: `t` the raw text,
`a` what was read, `e` the explanation, `x` the error, `k` the steps that changed it as [name, text after],
`u` how many did not, `l` its limits, `b` the box that was read. Parts of a prompt: a text, a number (the
picture), or [mark].
"""

from collections.abc import Mapping
from typing import Any

from eval_mm.evidence import Normalised, limits, references
from eval_mm.kinds.grounding import box_in_pixels
from eval_mm.metrics.box import Box, read_any
from eval_mm.schema import Context, Image, Mark, ModelInfo, Prediction, Request, Sample

LONGEST = 4000
"""Characters of one text that a page shows."""

MOST_REFERENCES = 40


def clip(text: str) -> str:
    """The text, or its beginning and how much more there is."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … ({len(text) - LONGEST:,} more characters)"


def sample_facts(sample: Sample) -> dict[str, Any]:
    """What is the same whoever answers."""
    facts: dict[str, Any] = {"q": clip(sample.question)}
    if sample.choices:
        facts["c"] = [clip(text) for text in sample.choices]
    if isinstance(sample.target, Box):
        facts["b"] = [round(edge, 1) for edge in sample.target]
    elif found := references(sample):
        facts["r"] = [[clip(one.text), one.times, one.letter] for one in found[:MOST_REFERENCES]]
    if not sample.images:
        facts["i"] = 0
    if size := _size(sample):
        facts["s"] = size
    return facts


def prompt_parts(request: Request, own_pictures: int) -> list[Any]:
    """The prompt as sent, after the system text; its last pictures are the sample's, others of examples."""
    parts: list[Any] = [[f"system: {clip(request.system)}"]] if request.system else []
    picture = own_pictures - sum(isinstance(part, Image) for part in request.prompt)
    for part in request.prompt:
        if isinstance(part, Image):
            parts.append(["an example's picture"] if picture < 0 else picture)
            picture += 1
        else:
            parts.append([part.token] if isinstance(part, Mark) else clip(part))
    if request.choices:
        parts.append([f"ranked: {' '.join(map(repr, request.choices))}"])
    return parts


def answer_facts(
    row: Mapping[str, Any],
    sample: Sample | None,
    model: ModelInfo | None,
    request: Request | None,
    prediction: Prediction | None,
    way: Normalised | None,
) -> dict[str, Any]:
    """What one run said and what became of it; `row` is that of scores.jsonl."""
    facts: dict[str, Any] = {"a": clip(row["answer"]), "e": clip(row["explanation"])}
    if row["error"] is not None:
        facts["x"] = clip(row["error"])
    if request is not None and prediction is not None:
        facts |= {"t": clip(prediction.text), "l": limits(request, prediction)}
        if prediction.reasoning:
            facts["h"] = clip(prediction.reasoning)
    if way is not None and way.answer is not None and row["error"] is None:
        facts["k"] = [[name, clip(text)] for name, text in way.answer.changes]
        facts["u"] = len(way.answer.steps) - len(way.answer.changes)
    if sample is not None and (box := _read_box(row, sample, model, prediction)) is not None:
        facts["b"] = [round(edge, 1) for edge in box]
    return facts


def _size(sample: Sample) -> tuple[int, int] | None:
    width, height = sample.metadata.get("width"), sample.metadata.get("height")
    return (width, height) if isinstance(width, int) and isinstance(height, int) else None


def _read_box(
    row: Mapping[str, Any], sample: Sample, model: ModelInfo | None, prediction: Prediction | None
) -> Box | None:
    """The box that the scorer read, in pixels; where nothing is scored, the first in the answer."""
    if _size(sample) is None:
        return None
    if sample.target is not None:
        found = read_any(row["answer"])
        return None if found is None else found.box
    if model is None or model.box_scale is None or prediction is None:
        return None
    placed = box_in_pixels(read_any, sample, prediction, Context(model))
    return None if placed is None else placed[0]
