"""OCR-VQA: questions about book covers.

Paper: Mishra et al. 2019 (https://ocr-vqa.github.io). The official file has books with several questions each
and no question ids: the id is the 0-based row of the split.
"""

from data_scripts.benchmark import Benchmark, Source, Split
from data_scripts.forms import in_folder
from data_scripts.forms_vqa import converted, listed, ocrvqa
from eval_mm.tasks.ocrvqa import TASKS

VAL, TEST = TASKS
PICTURES = "ocrvqa/images"
OFFICIAL = ("dataset.json",)
JSONL = converted(PICTURES, ids="own if unique")

LLAVAR = listed(
    "LLaVAR's OCR-VQA rows",
    in_folder(PICTURES, "image_path"),
    answer="gt_answers",
    fields=("image_path",),
    partial="it has 5,000 questions about 958 covers, a part that LLaVAR's repository has",
)

BENCHMARK = Benchmark(
    name="ocrvqa",
    summary="OCR-VQA: questions about book covers, validation and test",
    about="""\
OCR-VQA validation and test -> <out>/ocrvqa/. How many questions a split has is not checked.

--raw is a folder with, plain or packed, one of
  dataset.json                         https://ocr-vqa.github.io; all three splits
  ocrvqa_val.jsonl, ocrvqa_test.jsonl  Qwen-VL's converted files; ocrvqa_train.jsonl is optional, for few-shot
  ocrVQA.json                          5,000 questions beside LLaVAR's answers; with --allow-partial, as test

The covers are downloaded one by one (https://ocr-vqa.github.io/kvqa_ProjectFiles/README.txt) and belong in
<out>/ocrvqa/images.""",
    licence="see its page; covers of books, each its owner's",
    home="https://ocr-vqa.github.io",
    tasks=TASKS,
    splits=[
        Split.of(
            VAL,
            Source(ocrvqa(PICTURES, 2), (OFFICIAL,)),
            Source(JSONL, (("ocrvqa_val.jsonl",),)),
        ),
        Split.of(
            TEST,
            Source(ocrvqa(PICTURES, 3), (OFFICIAL,)),
            Source(JSONL, (("ocrvqa_test.jsonl",),)),
            Source(LLAVAR, (("ocrVQA.json", "*ocrvqa_predictions.json"),)),
        ),
        Split.training(
            "ocrvqa",
            Source(ocrvqa(PICTURES, 1), (OFFICIAL,)),
            Source(JSONL, (("ocrvqa_train.jsonl",),)),
        ),
    ],
    folders=(),
    pictures={PICTURES: "downloaded one by one: https://ocr-vqa.github.io/kvqa_ProjectFiles/README.txt"},
)
