"""GRIT, its referring expressions: find the region that an expression refers to.

Paper: Gupta et al. 2022 (https://arxiv.org/abs/2204.13653), https://github.com/allenai/grit_official. Prompt
and limits are those of RefCOCO: no run script was published. Under `official` a box is right where IoU >
0.5, with 1e-6 added to the union, as GRIT's own scorer has it. The answers of its two subsets are judged by
a server: the run writes its file. A row may say which subset it is of, "subset": "ablation" or "test".
"""

from dataclasses import replace

from eval_mm.data import Row
from eval_mm.kinds import grounding
from eval_mm.kinds.submission import grit
from eval_mm.metrics import box
from eval_mm.schema import Sample, Task
from eval_mm.stats import mean_metric

PROTOCOLS = (
    grounding.PROTOCOLS[0],
    grounding.qwen_vl("official", grounding.iou_scorer(box.read_published, grit=True)),
    grounding.instruct(grounding.iou_scorer(box.read_any, grit=True)),
)

SUBSETS = ("ablation", "test")
"""Each has a server of its own."""


def to_sample(row: Row) -> Sample:
    """A grounding row whose box need not be public, with its subset where it says one."""
    sample = grounding.to_open_sample(row)
    subset = row.optional("subset")
    if subset is None:
        return sample
    if subset not in SUBSETS:
        raise row.error("subset", f"expected {' or '.join(SUBSETS)}, got '{subset}'")
    return replace(sample, metadata={**sample.metadata, "subset": subset})


TASKS = [
    Task(
        name="grit_refexp",
        path="grit/grit_refexp.jsonl",
        num_samples=None,
        to_sample=to_sample,
        protocols=PROTOCOLS,
        metrics=mean_metric("accuracy@0.5"),
        families=("grounding", "qwen-vl-report"),
        submission=grit("refexp"),
    )
]
