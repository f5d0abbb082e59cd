"""GQA: compositional questions about real pictures, made from scene graphs.

Paper: Hudson & Manning 2019 (https://arxiv.org/abs/1902.09506). The id is the question's own;
`types.structural` becomes question_type.
"""

from data_scripts.benchmark import Benchmark, Source, Split
from data_scripts.forms_vqa import converted, gqa
from eval_mm.tasks.gqa import TASKS

(TESTDEV,) = TASKS
PICTURES = "gqa/images"

BENCHMARK = Benchmark(
    name="gqa",
    summary="GQA: compositional questions, test-dev balanced",
    about="""\
GQA test-dev balanced (12,578 questions) -> <out>/gqa/.

--raw is a folder with, plain or packed, from https://cs.stanford.edu/people/dorarad/gqa/download.html:
  testdev_balanced_questions.json
  train_balanced_questions.json     for few-shot, optional
or Qwen-VL's converted testdev_balanced.jsonl and train_balanced.jsonl.

The pictures (https://downloads.cs.stanford.edu/nlp/data/gqa/images.zip, 20 GB) belong in
<out>/gqa/images.""",
    licence="annotations CC BY 4.0; pictures: Visual Genome, CC BY 4.0",
    home="https://cs.stanford.edu/people/dorarad/gqa/about.html",
    tasks=TASKS,
    splits=[
        Split.of(
            TESTDEV,
            Source(gqa(PICTURES), (("testdev_balanced_questions*.json",),)),
            Source(converted(PICTURES), (("testdev_balanced.jsonl", "gqa_testdev*.jsonl"),)),
        ),
        Split.training(
            "gqa",
            Source(gqa(PICTURES), (("train_balanced_questions.json",),)),
            Source(converted(PICTURES), (("train_balanced.jsonl", "train.jsonl", "gqa_train.jsonl"),)),
        ),
    ],
    folders=("questions1.2",),
    pictures={PICTURES: "https://downloads.cs.stanford.edu/nlp/data/gqa/images.zip"},
)
