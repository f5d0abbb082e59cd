"""AI2D: questions about science diagrams of primary school, with four options each.

Paper: Kembhavi et al. 2016 (https://arxiv.org/abs/1603.07396). The official archive has one JSON file per
diagram; ai2d_test_ids.csv says which diagrams are the test split. A question about letters in the diagram has
`category` "abc" and the picture whose labels are covered by letters.
"""

from data_scripts.benchmark import Benchmark, Source, Split
from data_scripts.forms_choice import ai2d, lettered
from eval_mm.tasks.ai2d import TASKS

(TEST,) = TASKS
PICTURES, ABC = "ai2d/images", "ai2d/abc_images"

BENCHMARK = Benchmark(
    name="ai2d",
    summary="AI2D: questions about science diagrams with four options, test",
    about="""\
AI2D test (3,088 questions) -> <out>/ai2d/.

--raw is a folder with one of
  questions/ + ai2d_test_ids.csv   https://prior.allenai.org/projects/diagram-understanding (ai2d-all.zip) and
      https://s3-us-east-2.amazonaws.com/prior-datasets/ai2d_test_ids.csv
  test.jsonl     rows with "image", "question_id", an "answer" letter, and the options below the question, as
      MoVA, LLaVA and others redistribute it; the name may have a prefix. Qwen-VL's test.jsonl has no options.
A folder ai2d inside it is searched too.

The pictures are in ai2d-all.zip: images belongs in <out>/ai2d/images, abc_images in <out>/ai2d/abc_images;
--images may name the folder that holds both.""",
    licence="see its page; diagrams from the web, each its owner's",
    home="https://prior.allenai.org/projects/diagram-understanding",
    tasks=TASKS,
    splits=[
        Split.of(
            TEST,
            Source(ai2d(PICTURES, ABC), (("questions", "questions_official"), ("ai2d_test_ids.csv",))),
            Source(lettered(PICTURES, ABC), (("test.jsonl", "ai2d_test.jsonl"),)),
            Source(lettered(PICTURES, ABC), (("*_test.jsonl",),)),
        )
    ],
    folders=("ai2d",),
    pictures={PICTURES: "images of ai2d-all.zip", ABC: "abc_images of ai2d-all.zip"},
)
