"""VQAv2: questions about COCO pictures, answered by ten people each.

Paper: Goyal et al. 2017 (https://arxiv.org/abs/1612.00837). Official questions and annotations are joined by
question_id. Qwen-VL's converted vqav2_val.jsonl has one answer where ten are needed; its other files serve.
"""

from data_scripts.benchmark import Benchmark, Source, Split
from data_scripts.forms_vqa import coco_of, converted, pair, questions
from eval_mm.tasks.vqav2 import TASKS

VAL, TESTDEV = TASKS

BENCHMARK = Benchmark(
    name="vqav2",
    summary="VQAv2: questions about COCO pictures, validation and test-dev",
    about="""\
VQAv2 validation (214,354 questions) and test-dev (107,394, answers not public) -> <out>/vqav2/.

--raw is a folder with, plain or packed, from https://visualqa.org/download.html:
  v2_OpenEnded_mscoco_val2014_questions.json + v2_mscoco_val2014_annotations.json
  v2_OpenEnded_mscoco_test-dev2015_questions.json
  v2_OpenEnded_mscoco_train2014_questions.json + v2_mscoco_train2014_annotations.json   for few-shot, optional
Instead of the last two, Qwen-VL's converted vqav2_testdev.jsonl and vqav2_train.jsonl. Its vqav2_val.jsonl
has one answer to a question and cannot be scored by VQA accuracy.

The pictures are COCO's (http://images.cocodataset.org/zips/val2014.zip, test2015.zip, train2014.zip), in
<out>/coco/val2014, test2015 and train2014. --images may name a folder that holds these three.""",
    licence="annotations CC BY 4.0; pictures: COCO terms of use (Flickr)",
    home="https://visualqa.org",
    tasks=TASKS,
    splits=[
        Split.of(
            VAL,
            Source(
                pair(coco_of("val2014")),
                (
                    (
                        "v2_OpenEnded_mscoco_val2014_questions.json",
                        "vqa_questions_*.json",
                        "allennlp_questions.json",
                    ),
                    (
                        "v2_mscoco_val2014_annotations.json",
                        "vqa_annotat*ons_*.json",
                        "allennlp_annotations.json",
                    ),
                ),
            ),
            Source(converted("coco/val2014", answers=10), (("vqav2_val.jsonl",),)),
        ),
        Split.of(
            TESTDEV,
            Source(questions(coco_of("test2015")), (("v2_OpenEnded_mscoco_test-dev2015_questions.json",),)),
            Source(converted("coco/test2015", public=False), (("vqav2_testdev.jsonl",),)),
        ),
        Split.training(
            "vqav2",
            Source(
                pair(coco_of("train2014")),
                (
                    ("v2_OpenEnded_mscoco_train2014_questions.json",),
                    ("v2_mscoco_train2014_annotations.json",),
                ),
            ),
            Source(converted("coco/train2014"), (("vqav2_train.jsonl",),)),
        ),
    ],
    folders=(),
    pictures={
        "coco/val2014": "COCO val2014, http://images.cocodataset.org/zips/val2014.zip",
        "coco/test2015": "COCO test2015, http://images.cocodataset.org/zips/test2015.zip",
        "coco/train2014": "COCO train2014, http://images.cocodataset.org/zips/train2014.zip",
    },
)
