"""OK-VQA: questions about COCO pictures that need knowledge from outside the picture.

Paper: Marino et al. 2019 (https://arxiv.org/abs/1906.00067). Official questions and annotations (version 1.1)
are joined by question_id; `answer` is read, as the official scorer does, not `raw_answer`.
"""

from data_scripts.benchmark import Benchmark, Source, Split
from data_scripts.forms_vqa import coco_of, converted, pair
from eval_mm.tasks.okvqa import TASKS

(VAL,) = TASKS

BENCHMARK = Benchmark(
    name="okvqa",
    summary="OK-VQA: questions that need outside knowledge, validation",
    about="""\
OK-VQA validation (5,046 questions) -> <out>/okvqa/.

--raw is a folder with, plain or packed, from https://okvqa.allenai.org/download.html:
  OpenEnded_mscoco_val2014_questions.json + mscoco_val2014_annotations.json
  OpenEnded_mscoco_train2014_questions.json + mscoco_train2014_annotations.json   for few-shot, optional
Instead of the last two, Qwen-VL's converted okvqa_train.jsonl. Questions without their annotations cannot be
prepared: nothing could be scored.

The pictures are COCO's (http://images.cocodataset.org/zips/val2014.zip, train2014.zip), in <out>/coco/val2014
and train2014.""",
    licence="annotations CC BY 4.0; pictures: COCO terms of use (Flickr)",
    home="https://okvqa.allenai.org",
    tasks=TASKS,
    splits=[
        Split.of(
            VAL,
            Source(
                pair(coco_of("val2014")),
                (("OpenEnded_mscoco_val2014_questions.json",), ("mscoco_val2014_annotations.json",)),
            ),
            Source(converted("coco/val2014", answers=10), (("okvqa_val.jsonl",),)),
        ),
        Split.training(
            "okvqa",
            Source(
                pair(coco_of("train2014")),
                (("OpenEnded_mscoco_train2014_questions.json",), ("mscoco_train2014_annotations.json",)),
            ),
            Source(converted("coco/train2014"), (("okvqa_train.jsonl",),)),
        ),
    ],
    folders=(),
    pictures={
        "coco/val2014": "COCO val2014, http://images.cocodataset.org/zips/val2014.zip",
        "coco/train2014": "COCO train2014, http://images.cocodataset.org/zips/train2014.zip",
    },
)
