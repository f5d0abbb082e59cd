"""RefCOCO, RefCOCO+ and RefCOCOg: expressions that refer to one region of a COCO train2014 picture.

Papers: Kazemzadeh et al. 2014 (https://aclanthology.org/D14-1086), Yu et al. 2016
(https://arxiv.org/abs/1608.00272), Mao et al. 2016 (https://arxiv.org/abs/1511.02283). Splits: UNC for
RefCOCO and RefCOCO+, UMD for RefCOCOg.

Two published conversions are read; both have one row per expression and boxes x1, y1, x2, y2 in pixels:
  REC         {"img_path", "expression", "bbox", "sent_id", "width", "height"}
  converted   {"image", "sent", "bbox", "width", "height"}
"""

from data_scripts.benchmark import Benchmark, Source, Split
from data_scripts.forms_grounding import expressions
from eval_mm.schema import Sample, Task
from eval_mm.tasks.refcoco import TASKS

PICTURES = "coco/train2014"
ROUNDING = 0.05
"""Pixels by which a box may leave its picture: COCO rounds x, y, width and height to 0.01 each."""

REC = expressions("REC", PICTURES, image="img_path", expression="expression")
CONVERTED = expressions("converted", PICTURES, image="image", expression="sent")


def _split(task: Task) -> Split:
    """A split under the names of either conversion; a file may have the name of one and the form of both."""
    benchmark, split = task.name.split("_")
    partition = "umd" if benchmark == "refcocog" else "unc"
    names = (f"{task.name}.jsonl", f"REC_{benchmark}_{partition}_{split}.jsonl")
    return Split.of(task, Source(REC, (names,), others=(CONVERTED,)))


def _stated_size(sample: Sample) -> tuple[int, int]:
    return sample.metadata["width"], sample.metadata["height"]


def _box_problem(sample: Sample) -> str | None:
    width, height = _stated_size(sample)
    x1, y1, x2, y2 = sample.target
    if min(x1, y1) >= -ROUNDING and x2 <= width + ROUNDING and y2 <= height + ROUNDING:
        return None
    return f"field 'box': {[x1, y1, x2, y2]} leaves the picture of {width} x {height} pixels"


BENCHMARK = Benchmark(
    name="refcoco",
    summary="RefCOCO, RefCOCO+, RefCOCOg: eight splits, one box per expression",
    about="""\
RefCOCO (val, testA, testB), RefCOCO+ (val, testA, testB) and RefCOCOg (val, test) -> <out>/refcoco/,
<out>/refcoco+/ and <out>/refcocog/. The eight published counts are checked.

--raw is a folder with the eight splits, each plain or .gz, in either published form:
  refcoco_val.jsonl, refcoco+_testA.jsonl, refcocog_test.jsonl, ...
      the converted files of Qwen-VL: https://github.com/QwenLM/Qwen-VL/blob/master/eval_mm/EVALUATION.md
  REC_refcoco_unc_val.jsonl, REC_refcocog_umd_test.jsonl, ...
      those of Visual-CoT: https://github.com/deepcs233/Visual-CoT, folder llava/eval/REC
Folders called refcoco, refcoco+ and refcocog inside it are searched too.

The pictures are COCO train2014: http://images.cocodataset.org/zips/train2014.zip (13 GB). Rows name them
coco/train2014/<file name>, so they belong in <out>/coco/train2014, or name your folder with --images.""",
    licence="annotations: see its page; pictures: COCO terms of use (Flickr)",
    home="https://github.com/lichengunc/refer",
    tasks=TASKS,
    splits=[_split(task) for task in TASKS],
    folders=("refcoco", "refcoco+", "refcocog"),
    pictures={PICTURES: "COCO train2014, http://images.cocodataset.org/zips/train2014.zip"},
    stated_size=_stated_size,
    row_problem=_box_problem,
)
