"""ChartQA: questions about charts, written by people or made from summaries.

Paper: Masry et al. 2022 (https://arxiv.org/abs/2203.10244). The official records have no ids: the id is the
0-based row. Charts keep the folders of the distribution, test/png and train/png, so that no name can clash.
"""

from data_scripts.benchmark import Benchmark, Form, Source, Split
from data_scripts.forms import in_folder
from data_scripts.forms_vqa import converted, listed
from eval_mm.tasks.chartqa import PARTS

PICTURES, TRAIN = "chartqa/test/png", "chartqa/train/png"


def _official(pictures: str, files: int = 1) -> Form:
    return listed(
        "ChartQA",
        in_folder(pictures, "imgname"),
        question="query",
        answer="label",
        fields=("imgname",),
        lacks=("prediction",),
        files=files,
    )


def _split(part: str) -> tuple[Source, ...]:
    return (
        Source(_official(PICTURES), ((f"test_{part}*.json",),)),
        Source(converted(PICTURES, ids="row"), ((f"test_{part}.jsonl", f"*_test_{part}.jsonl"),)),
    )


BENCHMARK = Benchmark(
    name="chartqa",
    summary="ChartQA: questions about charts, test human and augmented",
    about="""\
ChartQA test, human and augmented (1,250 questions each) -> <out>/chartqa/.

--raw is a folder with, plain or packed, one of
  test_human.json, test_augmented.json    https://github.com/vis-nlp/ChartQA, folder "ChartQA Dataset/test"
  test_human.jsonl, test_augmented.jsonl  Qwen-VL's converted files
and, optional for few-shot, train_human and train_augmented likewise. "ChartQA Dataset" and ChartQA-main
inside it are searched too.

The charts, "ChartQA Dataset/test/png" and train/png of the repository, belong in <out>/chartqa/test/png and
<out>/chartqa/train/png; --images may name "ChartQA Dataset", which holds both.""",
    licence="GPL-3.0 as its repository states; charts of Statista, Pew, OWID and OECD",
    home="https://github.com/vis-nlp/ChartQA",
    tasks=PARTS,
    splits=[
        *(Split.of(task, *_split(part)) for task, part in zip(PARTS, ("human", "augmented"), strict=True)),
        Split.training(
            "chartqa",
            Source(_official(TRAIN, files=2), (("train_human.json",), ("train_augmented.json",))),
            Source(
                converted(TRAIN, ids="row", files=2),
                (("train_human.jsonl",), ("train_augmented.jsonl",)),
            ),
            Source(converted(TRAIN, ids="row"), (("train.jsonl", "chartqa_train.jsonl"),)),
        ),
    ],
    folders=tuple(
        f"{root}{part}"
        for root in ("", "ChartQA Dataset/", "ChartQA-main/ChartQA Dataset/")
        for part in ("test", "train")
    ),
    pictures={
        PICTURES: "ChartQA Dataset/test/png of https://github.com/vis-nlp/ChartQA",
        TRAIN: "ChartQA Dataset/train/png of https://github.com/vis-nlp/ChartQA",
    },
)
