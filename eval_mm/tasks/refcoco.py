"""RefCOCO, RefCOCO+ and RefCOCOg: find the region that an expression refers to.

Papers: Kazemzadeh et al. 2014 (https://aclanthology.org/D14-1086), Yu et al. 2016
(https://arxiv.org/abs/1608.00272), Mao et al. 2016 (https://arxiv.org/abs/1511.02283). Splits: UNC for
RefCOCO and RefCOCO+, UMD for RefCOCOg. Scorer: Qwen-VL's eval_mm/evaluate_grounding.py; deviations in
eval_mm/metrics/box.py, departures of the published run in EVALUATION.md.
"""

from eval_mm.kinds import grounding
from eval_mm.schema import Task
from eval_mm.stats import mean_metric

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
        to_sample=grounding.to_sample,
        protocols=grounding.PROTOCOLS,
        metrics=mean_metric("accuracy@0.5"),
        families=(benchmark, "grounding", "qwen-vl-report"),
    )
    for benchmark, splits in SPLITS.items()
    for split, num_samples in splits.items()
]
