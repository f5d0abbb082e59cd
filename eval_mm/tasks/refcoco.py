"""RefCOCO, RefCOCO+ and RefCOCOg: find the region that an expression refers to.

Papers: Kazemzadeh et al. 2014 (https://aclanthology.org/D14-1086), Yu et al. 2016
(https://arxiv.org/abs/1608.00272), Mao et al. 2016 (https://arxiv.org/abs/1511.02283). Splits: UNC for
RefCOCO and RefCOCO+, UMD for RefCOCOg. Scorer: Qwen-VL's eval_mm/evaluate_grounding.py; deviations in
eval_mm/metrics/box.py, departures of the published run in EVALUATION.md.

Row: {"id", "image", "expression", "box": [x1, y1, x2, y2] in pixels, "width", "height"}
"""

from collections.abc import Sequence

from eval_mm.data import Row
from eval_mm.metrics import box
from eval_mm.schema import Mark, ModelInfo, Prediction, Prompt, Protocol, Sample, Score, Task
from eval_mm.stats import mean_metric

THRESHOLD = 0.5


def to_sample(row: Row) -> Sample:
    """A grounding row as a sample; the target is the box in pixels."""
    return Sample(
        id=row.identifier("id"),
        images=(row.image("image"),),
        question=row.text("expression"),
        target=box.Box(*row.box("box")),
        metadata={"width": row.positive_int("width"), "height": row.positive_int("height")},
    )


def prompt_qwen_vl(sample: Sample, examples: Sequence[Sample]) -> Prompt:
    """`<img><ref>{expression}</ref><box>`: the model goes on with the box."""
    return (sample.images[0], Mark("<ref>"), sample.question, Mark("</ref>"), Mark("<box>"))


def prompt_instruct(sample: Sample, examples: Sequence[Sample]) -> Prompt:
    """The request for a box in words."""
    return (
        sample.images[0],
        "Please provide the bounding box coordinate of the region this sentence describes: "
        + sample.question,
    )


def score_iou(read: box.BoxReader, sample: Sample, prediction: Prediction, model: ModelInfo) -> Score:
    """1 where the first box of the answer overlaps the target by IoU >= 0.5, else 0; None without a box."""
    found = read(prediction.text)
    if found is None:
        return Score(None, "", "no box in the answer")
    width, height = sample.metadata["width"], sample.metadata["height"]
    pixels = box.to_pixels(found.box, model.box_scale, width, height)
    overlap = box.iou(pixels, sample.target)
    return Score(
        value=float(overlap >= THRESHOLD),
        answer="({:.1f},{:.1f}),({:.1f},{:.1f})".format(*pixels),
        explanation=f"read as {found.form} in units of {model.box_scale}, IoU {overlap:.6f}",
    )


def score_qwen_vl(sample: Sample, prediction: Prediction, model: ModelInfo) -> Score:
    """Judges an answer as the published script does."""
    return score_iou(box.read_published, sample, prediction, model)


def score_instruct(sample: Sample, prediction: Prediction, model: ModelInfo) -> Score:
    """Judges the first box in any usual form."""
    return score_iou(box.read_any, sample, prediction, model)


PROTOCOLS = (
    Protocol("qwen-vl", prompt_qwen_vl, score_qwen_vl, min_new_tokens=10, max_new_tokens=28),
    Protocol("instruct", prompt_instruct, score_instruct, min_new_tokens=0, max_new_tokens=64, chat=True),
)

SPLITS = {
    "refcoco": {"val": 10_834, "testA": 5_657, "testB": 5_095},
    "refcoco+": {"val": 10_758, "testA": 5_726, "testB": 4_889},
    "refcocog": {"val": 4_896, "test": 9_602},
}

TASKS = [
    Task(
        name=f"{benchmark}_{split}",
        path=f"{benchmark}/{benchmark}_{split}.jsonl",
        num_samples=num_samples,
        to_sample=to_sample,
        protocols=PROTOCOLS,
        metrics=mean_metric("accuracy@0.5"),
        families=(benchmark, "grounding"),
    )
    for benchmark, splits in SPLITS.items()
    for split, num_samples in splits.items()
]
