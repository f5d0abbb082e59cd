"""ScienceQA: questions of school science with two to five options, about half of them with a picture.

Paper: Lu et al. 2022 (https://arxiv.org/abs/2209.09513). Ids are the problem ids; the order is that of
pid_splits.json. A question whose `hint` is empty has none.
"""

from data_scripts.benchmark import Benchmark, Source, Split
from data_scripts.forms_scienceqa import converted, problems, prompts
from eval_mm.schema import Task
from eval_mm.tasks.scienceqa import TASKS

PICTURES = "scienceqa/images/test"


def _split(task: Task) -> Split:
    pictured = task.name == "scienceqa_test_img"
    jsonl = Source(converted(PICTURES), (("scienceqa_test_img.jsonl",),))
    return Split.of(
        task,
        Source(
            problems(PICTURES, pictured, with_ids=True),
            (("problems.json", "problems.*.json"), ("pid_splits.json",)),
        ),
        Source(problems(PICTURES, pictured, with_ids=False), (("problems.json",),)),
        *((jsonl,) if pictured else ()),
        Source(prompts(PICTURES, pictured), (("llava_test_CQM-A.json",),)),
    )


BENCHMARK = Benchmark(
    name="scienceqa",
    summary="ScienceQA: school science with options, test and its questions with a picture",
    about="""\
ScienceQA test (4,241 questions) and those of it with a picture (2,017) -> <out>/scienceqa/.

--raw is a folder with, plain or packed, one of
  problems.json + pid_splits.json   https://github.com/lupantech/ScienceQA, folder data/scienceqa; the first
      will do alone
  scienceqa_test_img.jsonl          Qwen-VL's converted file, for the questions with a picture
  llava_test_CQM-A.json             LLaVA's prompts, with --allow-partial: no subjects, no grades, and a rule
      tells where a context ends

The pictures (https://scienceqa.s3.us-west-1.amazonaws.com/images/test.zip), a folder per question, belong in
<out>/scienceqa/images/test.""",
    licence="CC BY-NC-SA 4.0",
    home="https://scienceqa.github.io",
    tasks=TASKS,
    splits=[_split(task) for task in TASKS],
    folders=("data/scienceqa",),
    pictures={PICTURES: "https://scienceqa.s3.us-west-1.amazonaws.com/images/test.zip"},
)
