"""InfographicVQA: questions about infographics.

Paper: Mathew et al. 2022 (https://arxiv.org/abs/2104.12756). The id is the question's own.
"""

from data_scripts.benchmark import Benchmark, Split
from data_scripts.forms_docvqa import Server
from eval_mm.tasks.infovqa import TASKS

VAL, TEST = TASKS
PICTURES = "infovqa/images"
SERVER = Server("infovqa", "InfographicVQA", PICTURES, "image_local_name")

BENCHMARK = Benchmark(
    name="infovqa",
    summary="InfographicVQA: questions about infographics, validation and test",
    about="""\
InfographicVQA validation (2,801 questions) and test (3,288, answers not public) -> <out>/infovqa/.

--raw is a folder with, plain or packed, one of
  infographicsVQA_val_v1.0_withQT.json, infographicsVQA_test_v1.0.json, infographicsVQA_train_v1.0.json
      https://rrc.cvc.uab.es/?ch=17 (Task 3; log in), also in a folder infographicsvqa_qas inside it
  val.jsonl, test.jsonl, train.jsonl   in the form of Qwen-VL's converted files; names may have a prefix
train is optional, for few-shot.

The pictures, of the same page, belong in <out>/infovqa/images.""",
    licence="see its page (login); pictures from the web, each its owner's",
    home="https://www.docvqa.org",
    tasks=TASKS,
    splits=[
        Split.of(
            VAL,
            *SERVER.sources("val", "infographicsVQA_val_v1.0.json", "infographicsVQA_val_v1.0_withQT.json"),
        ),
        Split.of(TEST, *SERVER.sources("test", "infographicsVQA_test_v1.0.json")),
        Split.training("infovqa", *SERVER.sources("train", "infographicsVQA_train_v1.0.json")),
    ],
    folders=("infographicsvqa_qas",),
    pictures={PICTURES: "infographicsvqa_images of Task 3, https://rrc.cvc.uab.es/?ch=17 (log in)"},
)
