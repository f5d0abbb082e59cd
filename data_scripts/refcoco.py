"""RefCOCO, RefCOCO+ and RefCOCOg: expressions that refer to one region of a COCO train2014 picture.

Papers: Kazemzadeh et al. 2014 (https://aclanthology.org/D14-1086), Yu et al. 2016
(https://arxiv.org/abs/1608.00272), Mao et al. 2016 (https://arxiv.org/abs/1511.02283). Splits: UNC for
RefCOCO and RefCOCO+, UMD for RefCOCOg.

Two published conversions are read; both have one row per expression and boxes x1, y1, x2, y2 in pixels:
  REC         {"img_path", "expression", "bbox", "sent_id", "width", "height"}
  converted   {"image", "sent", "bbox", "width", "height"}
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from data_scripts import check as checking
from data_scripts import prepare as preparing
from data_scripts import source
from eval_mm.data import Row
from eval_mm.schema import Sample, Task
from eval_mm.tasks.refcoco import TASKS

SUMMARY = "RefCOCO, RefCOCO+, RefCOCOg: eight splits, one box per expression"

HELP = """\
RefCOCO (val, testA, testB), RefCOCO+ (val, testA, testB) and RefCOCOg (val, test) -> <out>/refcoco/,
<out>/refcoco+/ and <out>/refcocog/. The eight published counts are checked.

--raw is a folder with the eight splits, each plain or .gz, in either published form:
  refcoco_val.jsonl, refcoco+_testA.jsonl, refcocog_test.jsonl, ...
      the converted files of Qwen-VL: https://github.com/QwenLM/Qwen-VL/blob/master/eval_mm/EVALUATION.md
  REC_refcoco_unc_val.jsonl, REC_refcocog_umd_test.jsonl, ...
      those of Visual-CoT: https://github.com/deepcs233/Visual-CoT, folder llava/eval/REC
Folders called refcoco, refcoco+ and refcocog inside it are searched too.

The pictures are COCO train2014: http://images.cocodataset.org/zips/train2014.zip (13 GB). Rows name them
coco/train2014/<file name>, so they belong in <out>/coco/train2014, or name your folder with --images."""

PICTURES = "coco/train2014"
FOLDERS = ("refcoco", "refcoco+", "refcocog")
ROUNDING = 0.05
"""Pixels by which a box may leave its picture: COCO rounds x, y, width and height to 0.01 each."""


class Form(NamedTuple):
    """What a published conversion calls the two fields whose names differ."""

    image: str
    expression: str


FORMS = (Form("img_path", "expression"), Form("image", "sent"))


def prepare(raw: Path, out: Path, options: preparing.Options) -> None:
    """Writes all eight splits, or raises UserError and writes nothing."""
    plan = preparing.Plan(
        TASKS,
        source_names,
        FOLDERS,
        canonical,
        PICTURES,
        "COCO train2014, http://images.cocodataset.org/zips/train2014.zip",
    )
    preparing.prepare(plan, raw, out, options)


def check(data: str, allow_partial: bool) -> checking.Checked:
    """Looks at the rows of all eight splits and at every picture they name."""
    return checking.check(TASKS, data, allow_partial, _stated_size, _box_problem)


def source_names(task: Task) -> list[str]:
    """The file names a split is published under."""
    benchmark, split = task.name.split("_")
    partition = "umd" if benchmark == "refcocog" else "unc"
    return [f"{task.name}.jsonl", f"REC_{benchmark}_{partition}_{split}.jsonl"]


def canonical(rows: Iterator[Row]) -> Iterator[dict[str, Any]]:
    """Rows of either form as canonical ones; the first row decides which form the file has.

    The id is sent_id where the file has it, else the 0-based row. Raises DataError at the first bad row.
    """
    form, has_ids = FORMS[0], False
    seen: dict[str, int] = {}
    for index, row in enumerate(rows):
        if index == 0:
            form, has_ids = _form(row), "sent_id" in row.fields
        box, width, height = row.box("bbox"), row.positive_int("width"), row.positive_int("height")
        yield {
            "id": source.claim(seen, row, "sent_id", _sent_id(row)) if has_ids else str(index),
            "image": f"{PICTURES}/{source.file_name(row, form.image)}",
            "expression": row.text(form.expression),
            "box": list(box),
            "width": width,
            "height": height,
        }


def _form(row: Row) -> Form:
    for form in FORMS:
        if set(form) & row.fields.keys():
            return form
    wanted = " or ".join(f"'{form.image}' and '{form.expression}'" for form in FORMS)
    raise row.error(
        FORMS[1].image, f"missing; expected {wanted}, the row has {', '.join(sorted(row.fields))}"
    )


def _sent_id(row: Row) -> str:
    value = row.fields.get("sent_id")
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return row.identifier("sent_id")


def _stated_size(sample: Sample) -> tuple[int, int]:
    return sample.metadata["width"], sample.metadata["height"]


def _box_problem(sample: Sample) -> str | None:
    width, height = _stated_size(sample)
    x1, y1, x2, y2 = sample.target
    if min(x1, y1) >= -ROUNDING and x2 <= width + ROUNDING and y2 <= height + ROUNDING:
        return None
    return f"field 'box': {[x1, y1, x2, y2]} leaves the picture of {width} x {height} pixels"
