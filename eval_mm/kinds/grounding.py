"""Expressions that refer to one region of a picture, answered by a box.

Row: {"id", "image", "expression", "box": [x1, y1, x2, y2] in pixels, "width", "height"}, `box` absent where
it is not public. Scorer: Qwen-VL's eval_mm/evaluate_grounding.py; deviations in eval_mm/metrics/box.py.
"""

import math
from dataclasses import replace

from eval_mm.data import Row
from eval_mm.kinds.scoring import each
from eval_mm.metrics import box
from eval_mm.schema import Context, Mark, Prediction, Prompt, Protocol, Sample, Score, Scorer

THRESHOLD = 0.5


def to_sample(row: Row) -> Sample:
    """A grounding row as a sample; the target is the box in pixels."""
    return replace(to_open_sample(row), target=box.Box(*row.box("box")))


def to_open_sample(row: Row) -> Sample:
    """A row of a split whose boxes need not be public."""
    return Sample(
        id=row.identifier("id"),
        images=(row.image("image"),),
        question=row.text("expression"),
        target=box.Box(*row.box("box")) if "box" in row.fields else None,
        metadata={"width": row.positive_int("width"), "height": row.positive_int("height")},
    )


def prompt_qwen_vl(sample: Sample) -> Prompt:
    """`<img><ref>{expression}</ref><box>`: the model goes on with the box."""
    return (sample.images[0], Mark("<ref>"), sample.question, Mark("</ref>"), Mark("<box>"))


def prompt_instruct(sample: Sample) -> Prompt:
    """The request for a box in words."""
    return (
        sample.images[0],
        "Please provide the bounding box coordinate of the region this sentence describes: "
        + sample.question,
    )


def box_in_pixels(
    read: box.BoxReader, sample: Sample, prediction: Prediction, context: Context
) -> tuple[box.Box, str] | None:
    """The first box of an answer in pixels of the picture, with the form it was written in.

    A box that is not finite in pixels is no box, whatever its numbers are, and neither is one that counts the
    pixels of a picture whose size was not recorded.
    """
    found = read(prediction.text)
    if found is None or (context.model.box_scale == "resized" and prediction.image_size is None):
        return None
    width, height = sample.metadata["width"], sample.metadata["height"]
    scale = context.model.box_scale
    assert scale is not None, "boxes were asked of a model whose unit nobody knows"
    pixels = box.to_pixels(found.box, scale, width, height, prediction.image_size)
    return (pixels, found.form) if all(map(math.isfinite, pixels)) else None


def iou_scorer(read: box.BoxReader, grit: bool = False) -> Scorer:
    """1 where the first box overlaps the target by IoU >= 0.5, else 0; None without a box.

    With `grit`, as that benchmark's own scorer has it: IoU > 0.5, with 1e-6 added to the union.
    """

    def judge(sample: Sample, prediction: Prediction, context: Context) -> Score:
        found = box_in_pixels(read, sample, prediction, context)
        if found is None:
            return Score(None, "", "no box in the answer")
        pixels, form = found
        overlap = box.iou(pixels, sample.target, added=1e-6 if grit else 0.0)
        return Score(
            value=float(overlap > THRESHOLD if grit else overlap >= THRESHOLD),
            answer="({:.1f},{:.1f}),({:.1f},{:.1f})".format(*pixels),
            explanation=f"read as {form} in units of {context.model.box_scale}, IoU {overlap:.6f}",
        )

    return each(judge)


def qwen_vl(name: str, score: Scorer) -> Protocol:
    """The prompt and limits of the published run."""
    return Protocol(name, prompt_qwen_vl, score, min_new_tokens=10, max_new_tokens=28, boxes=True)


def instruct(score: Scorer) -> Protocol:
    """The request in words, as a chat turn."""
    return Protocol(
        "instruct", prompt_instruct, score, min_new_tokens=0, max_new_tokens=64, chat=True, boxes=True
    )


PROTOCOLS = (
    qwen_vl("qwen-vl", iou_scorer(box.read_published)),
    instruct(iou_scorer(box.read_any)),
)
